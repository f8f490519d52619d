//! Who may speak for users: the API server's front proxy, by the certificate and the headers that the cluster names. Pure.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderName};
use k8s_openapi::api::core::v1::ConfigMap;
use percent_encoding::percent_decode_str;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Where the cluster says so, to every API server beside its own.
pub const NAMESPACE: &str = "kube-system";
/// The object that says it.
pub const CONFIG_MAP: &str = "extension-apiserver-authentication";

const ANONYMOUS: &str = "system:anonymous";
const AUTHENTICATED: &str = "system:authenticated";

const AUTHORITY: &str = "requestheader-client-ca-file";
const NAMES: &str = "requestheader-allowed-names";
const USERNAME_HEADERS: &str = "requestheader-username-headers";
const UID_HEADERS: &str = "requestheader-uid-headers";
const GROUP_HEADERS: &str = "requestheader-group-headers";
const EXTRA_PREFIXES: &str = "requestheader-extra-headers-prefix";

/// The front proxy, as the cluster describes it.
#[derive(Clone, Debug)]
pub struct FrontProxy {
    /// Authorities that sign for it, PEM.
    authority: String,
    /// Its common names; all when empty, as API servers have it.
    names: Vec<String>,
    username_headers: Vec<HeaderName>,
    uid_headers: Vec<HeaderName>,
    group_headers: Vec<HeaderName>,
    extra_prefixes: Vec<String>,
}

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Name.
    pub name: String,
    /// Id, if it has one.
    pub uid: Option<String>,
    /// Groups.
    pub groups: Vec<String>,
    /// What else is known.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// Why nobody can be trusted.
#[derive(Debug, thiserror::Error)]
pub enum FrontProxyError {
    /// The cluster does not say.
    #[error("config map {NAMESPACE}/{CONFIG_MAP} has no {0}: the API server is to be started with --{0}")]
    Missing(&'static str),
    /// It says something that is no list.
    #[error("config map {NAMESPACE}/{CONFIG_MAP}: {field} is no list of names: {source}")]
    NoList {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// It names a header that cannot be one.
    #[error("config map {NAMESPACE}/{CONFIG_MAP}: {field} names {name:?}, which is no header")]
    NoHeader {
        /// Which field.
        field: &'static str,
        /// The name.
        name: String,
    },
    /// Its authority is none.
    #[error("config map {NAMESPACE}/{CONFIG_MAP}: {AUTHORITY} is no certificate")]
    NoCertificate,
}

/// Why a caller is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Disbelief {
    /// Whoever calls is nobody in particular.
    #[error("a client certificate of the front proxy is needed: ask through the API server")]
    NoCertificate,
    /// A certificate of the right authority, and another name.
    #[error("the certificate of {0:?} is none of the front proxy")]
    OtherName(String),
    /// The front proxy says nothing of a user.
    #[error("no header says who asks")]
    NoUser,
}

impl FrontProxy {
    /// What the cluster says.
    ///
    /// # Errors
    /// The field that is missing or not as it should be.
    pub fn read(told: &ConfigMap) -> Result<Self, FrontProxyError> {
        let text = |field: &str| told.data.as_ref().and_then(|data| data.get(field)).filter(|text| !text.is_empty());
        let list = |field: &'static str| match text(field) {
            Some(text) => {
                serde_json::from_str::<Vec<String>>(text).map_err(|source| FrontProxyError::NoList { field, source })
            }
            None => Ok(Vec::new()),
        };
        let headers = |field: &'static str| {
            let parse = |name: String| name.parse().map_err(|_| FrontProxyError::NoHeader { field, name });
            list(field)?.into_iter().map(parse).collect::<Result<Vec<HeaderName>, _>>()
        };
        let username_headers = headers(USERNAME_HEADERS)?;
        if username_headers.is_empty() {
            return Err(FrontProxyError::Missing(USERNAME_HEADERS));
        }
        let proxy = Self {
            authority: text(AUTHORITY).ok_or(FrontProxyError::Missing(AUTHORITY))?.clone(),
            names: list(NAMES)?,
            username_headers,
            uid_headers: headers(UID_HEADERS)?,
            group_headers: headers(GROUP_HEADERS)?,
            extra_prefixes: list(EXTRA_PREFIXES)?.into_iter().map(|prefix| prefix.to_ascii_lowercase()).collect(),
        };
        proxy.roots()?;
        Ok(proxy)
    }

    /// The authorities that sign for it.
    ///
    /// # Errors
    /// When there are none.
    pub fn roots(&self) -> Result<RootCertStore, FrontProxyError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(self.authority.as_bytes()) {
            let certificate = certificate.map_err(|_| FrontProxyError::NoCertificate)?;
            roots.add(certificate).map_err(|_| FrontProxyError::NoCertificate)?;
        }
        if roots.is_empty() { Err(FrontProxyError::NoCertificate) } else { Ok(roots) }
    }

    /// Whether this certificate, whose signature was checked, is one of the front proxy.
    ///
    /// # Errors
    /// Why not.
    pub fn believe(&self, certificate: Option<&CertificateDer<'_>>) -> Result<(), Disbelief> {
        let certificate = certificate.ok_or(Disbelief::NoCertificate)?;
        let (_, certificate) = X509Certificate::from_der(certificate).map_err(|_| Disbelief::NoCertificate)?;
        let name = certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
        let name = name.unwrap_or_default();
        if self.names.is_empty() || self.names.iter().any(|allowed| allowed == name) {
            return Ok(());
        }
        Err(Disbelief::OtherName(name.to_owned()))
    }

    /// Whom its headers speak for.
    ///
    /// # Errors
    /// When they name nobody.
    pub fn user(&self, headers: &HeaderMap) -> Result<User, Disbelief> {
        let first = |names: &[HeaderName]| {
            let values = names.iter().filter_map(|name| headers.get(name)?.to_str().ok());
            values.map(ToOwned::to_owned).find(|value| !value.is_empty())
        };
        let mut user = User {
            name: first(&self.username_headers).ok_or(Disbelief::NoUser)?,
            uid: first(&self.uid_headers),
            ..User::default()
        };
        for name in &self.group_headers {
            user.groups.extend(headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).map(str::to_owned));
        }
        // As Kubernetes' own servers have it: whoever is somebody is of this group, whether or not a header says so.
        if user.name != ANONYMOUS && !user.groups.iter().any(|group| group == AUTHENTICATED) {
            user.groups.push(AUTHENTICATED.to_owned());
        }
        for (name, value) in headers {
            let key = self.extra_prefixes.iter().find_map(|prefix| name.as_str().strip_prefix(prefix.as_str()));
            if let (Some(key), Ok(value)) = (key, value.to_str()) {
                // Keys may have characters that names of headers cannot.
                let key = percent_decode_str(key).decode_utf8_lossy().to_ascii_lowercase();
                user.extra.entry(key).or_default().push(value.to_owned());
            }
        }
        Ok(user)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    fn certificate(name: &str) -> rcgen::Certificate {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.self_signed(&KeyPair::generate().expect("a key")).expect("it signs itself")
    }

    fn told(change: &[(&str, Option<&str>)]) -> ConfigMap {
        let mut data: BTreeMap<String, String> = [
            (AUTHORITY, certificate("front-proxy-ca").pem().as_str()),
            (NAMES, r#"["front-proxy-client"]"#),
            (USERNAME_HEADERS, r#"["X-Remote-User"]"#),
            (GROUP_HEADERS, r#"["X-Remote-Group"]"#),
            (EXTRA_PREFIXES, r#"["X-Remote-Extra-"]"#),
        ]
        .map(|(field, text)| (field.to_owned(), text.to_owned()))
        .into();
        for (field, text) in change {
            match text {
                Some(text) => data.insert((*field).to_owned(), (*text).to_owned()),
                None => data.remove(*field),
            };
        }
        ConfigMap { data: Some(data), ..ConfigMap::default() }
    }

    #[test]
    fn only_a_certificate_of_the_front_proxys_name_is_believed() {
        let proxy = FrontProxy::read(&told(&[])).expect("as clusters say it");
        assert_eq!(proxy.believe(Some(certificate("front-proxy-client").der())), Ok(()));
        assert_eq!(proxy.believe(Some(certificate("kubelet").der())), Err(Disbelief::OtherName("kubelet".into())));
        assert_eq!(proxy.believe(None), Err(Disbelief::NoCertificate));
        assert_eq!(proxy.believe(Some(&CertificateDer::from(vec![1, 2, 3]))), Err(Disbelief::NoCertificate));
        let anybody = FrontProxy::read(&told(&[(NAMES, Some("[]"))])).expect("as clusters may say it");
        assert_eq!(anybody.believe(Some(certificate("kubelet").der())), Ok(()));
    }

    #[test]
    fn headers_say_who_asks() {
        let proxy = FrontProxy::read(&told(&[])).expect("as clusters say it");
        let mut headers = HeaderMap::new();
        assert_eq!(proxy.user(&headers), Err(Disbelief::NoUser));
        let said = [
            ("x-remote-user", "system:serviceaccount:kube-system:horizontal-pod-autoscaler"),
            ("x-remote-group", "system:serviceaccounts"),
            ("x-remote-group", "system:authenticated"),
            ("x-remote-extra-authentication.kubernetes.io%2fcredential-id", "JTI=1"),
            ("x-other", "no matter"),
        ];
        for (name, value) in said {
            headers.append(HeaderName::from_static(name), value.parse().expect("a value"));
        }
        let user = proxy.user(&headers).expect("somebody");
        assert_eq!(user.name, "system:serviceaccount:kube-system:horizontal-pod-autoscaler");
        assert_eq!(user.groups, ["system:serviceaccounts", "system:authenticated"]);
        let named = |name: &'static str| {
            HeaderMap::from_iter([(HeaderName::from_static("x-remote-user"), HeaderValue::from_static(name))])
        };
        assert_eq!(proxy.user(&named("system:aggregator")).expect("somebody").groups, ["system:authenticated"]);
        assert!(proxy.user(&named("system:anonymous")).expect("a name").groups.is_empty());
        let extra = BTreeMap::from([("authentication.kubernetes.io/credential-id".into(), vec!["JTI=1".into()])]);
        assert_eq!((user.extra, user.uid), (extra, None));
    }

    #[test]
    fn a_cluster_that_does_not_say_whom_to_trust_is_told_which_flag_is_missing() {
        let refused = |field, text| FrontProxy::read(&told(&[(field, text)])).expect_err("refused").to_string();
        assert!(refused(AUTHORITY, None).ends_with("to be started with --requestheader-client-ca-file"));
        assert!(refused(AUTHORITY, Some("no certificate")).ends_with("is no certificate"));
        assert!(refused(USERNAME_HEADERS, None).ends_with("--requestheader-username-headers"));
        assert!(refused(NAMES, Some("front-proxy-client")).contains("requestheader-allowed-names is no list"));
        assert!(refused(USERNAME_HEADERS, Some(r#"["X Remote"]"#)).contains(r#""X Remote", which is no header"#));
    }
}
