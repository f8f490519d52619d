//! The definitions that are installed into a cluster.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt as _;

use crate::ZoneServer;

/// Integer formats that an API server knows. It warns of others, and they say nothing that `minimum` does not.
const KNOWN_FORMATS: [&str; 2] = ["int32", "int64"];

/// A definition, as a file.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The file's name: that of the definition, with `.yaml`.
    pub file: String,
    /// The definition as YAML.
    pub yaml: String,
}

/// All definitions.
///
/// # Panics
/// Never: what is made into YAML is made by this crate alone.
#[must_use]
pub fn definitions() -> Vec<Definition> {
    [ZoneServer::crd()]
        .into_iter()
        .map(|mut crd| {
            tidy(&mut crd);
            let yaml = serde_saphyr::to_string(&crd).expect("a definition is plain data");
            let file = format!("{}.yaml", crd.metadata.name.expect("a definition has a name"));
            Definition { file, yaml: format!("# Written by crdgen: change crds/src and run `make crds`.\n{yaml}") }
        })
        .collect()
}

fn tidy(crd: &mut CustomResourceDefinition) {
    for version in &mut crd.spec.versions {
        if let Some(schema) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            tidy_schema(schema);
        }
    }
}

/// Removes formats that only Rust has, and line breaks that only source code needs.
fn tidy_schema(schema: &mut JSONSchemaProps) {
    if let Some(description) = &mut schema.description {
        *description = unwrapped(description);
    }
    if schema.type_.as_deref() == Some("integer")
        && schema.format.as_deref().is_some_and(|format| !KNOWN_FORMATS.contains(&format))
    {
        schema.format = None;
    }
    schema.properties.iter_mut().flat_map(|properties| properties.values_mut()).for_each(tidy_schema);
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => tidy_schema(items),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(tidy_schema),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        tidy_schema(values);
    }
}

/// A text with its paragraphs on one line each. Lists stay lists.
fn unwrapped(text: &str) -> String {
    let mut lines = text.lines();
    let mut unwrapped = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        let goes_on =
            !unwrapped.ends_with('\n') && line.starts_with(|first: char| first.is_alphanumeric() || first == '`');
        unwrapped.push(if goes_on { ' ' } else { '\n' });
        unwrapped.push_str(line);
    }
    unwrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_have_one_line_and_lists_stay() {
        assert_eq!(unwrapped("one\ntwo\n\nthree\n- four\n- five"), "one two\n\nthree\n- four\n- five");
        assert_eq!(unwrapped(""), "");
    }
}
