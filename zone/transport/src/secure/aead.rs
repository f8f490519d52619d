//! Sealing and opening with keys that are replaced as they are used up.
//!
//! Each direction has a chain of secrets that starts in the Noise handshake. A secret gives a key and a nonce mask for one phase, and
//! the next secret. The sender moves on before its key has sealed too many packets and flips the phase bit; the receiver follows
//! when the first packet opens under the next key, and keeps the previous key for what was overtaken. Control datagrams
//! (closing, path validation) have keys of their own, so that they can be numbered apart.

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf;

use super::header::TAG_BYTES;

const SECRET_BYTES: usize = 32;
/// Control datagrams under their one key; far more than any session needs.
const MAX_CONTROL: u64 = 1 << 20;

type Secret = [u8; SECRET_BYTES];

/// The keys of both directions of a session.
pub(crate) struct SessionKeys {
    send: SendChain,
    receive: ReceiveChain,
    control_send: PhaseKey,
    control_sent: u64,
    control_receive: PhaseKey,
}

struct PhaseKey {
    key: LessSafeKey,
    mask: [u8; NONCE_LEN],
}

struct SendChain {
    secret: Secret,
    current: PhaseKey,
    phase: bool,
    sealed: u64,
    rekey_after: u64,
}

struct ReceiveChain {
    next_secret: Secret,
    previous: Option<PhaseKey>,
    current: PhaseKey,
    next: PhaseKey,
    phase: bool,
    /// Lowest number that opened under the current key; what is below it belongs to the previous one.
    first: u64,
}

impl SessionKeys {
    /// Keys from the two secrets that the handshake ends with.
    pub(crate) fn new(send: &Secret, receive: &Secret, rekey_after: u64) -> Self {
        Self {
            send: SendChain {
                secret: *send,
                current: PhaseKey::derive(send, b"packet"),
                phase: false,
                sealed: 0,
                rekey_after,
            },
            receive: ReceiveChain::new(receive),
            control_send: PhaseKey::derive(send, b"control"),
            control_sent: 0,
            control_receive: PhaseKey::derive(receive, b"control"),
        }
    }

    /// The phase bit for the next packet. Moves to the next key when this one is used up, and says so.
    pub(crate) fn next_phase(&mut self) -> (bool, bool) {
        let rekeyed = self.send.sealed >= self.send.rekey_after;
        if rekeyed {
            self.send.secret = expand(&self.send.secret, b"next");
            self.send.current = PhaseKey::derive(&self.send.secret, b"packet");
            self.send.phase = !self.send.phase;
            self.send.sealed = 0;
        }
        (self.send.phase, rekeyed)
    }

    /// Seals a packet in place and answers its tag. The caller never uses a number twice.
    pub(crate) fn seal(&mut self, number: u64, header: &[u8], plaintext: &mut [u8]) -> [u8; TAG_BYTES] {
        self.send.sealed += 1;
        self.send.current.seal(number, header, plaintext)
    }

    /// Opens a packet in place. On success its first bytes are the plaintext.
    pub(crate) fn open(&mut self, phase: bool, number: u64, header: &[u8], sealed: &mut [u8]) -> Option<usize> {
        self.receive.open(phase, number, header, sealed)
    }

    /// The number for the next control datagram; `None` when there were absurdly many.
    pub(crate) fn next_control(&mut self) -> Option<u64> {
        let number = self.control_sent;
        self.control_sent += 1;
        (number < MAX_CONTROL).then_some(number)
    }

    pub(crate) fn seal_control(&self, number: u64, header: &[u8], plaintext: &mut [u8]) -> [u8; TAG_BYTES] {
        self.control_send.seal(number, header, plaintext)
    }

    pub(crate) fn open_control(&self, number: u64, header: &[u8], sealed: &mut [u8]) -> Option<usize> {
        self.control_receive.open(number, header, sealed)
    }
}

impl ReceiveChain {
    fn new(secret: &Secret) -> Self {
        let next_secret = expand(secret, b"next");
        Self {
            previous: None,
            current: PhaseKey::derive(secret, b"packet"),
            next: PhaseKey::derive(&next_secret, b"packet"),
            next_secret,
            phase: false,
            first: 0,
        }
    }

    fn open(&mut self, phase: bool, number: u64, header: &[u8], sealed: &mut [u8]) -> Option<usize> {
        if phase == self.phase {
            return self.current.open(number, header, sealed);
        }
        if number < self.first {
            return self.previous.as_ref()?.open(number, header, sealed);
        }
        let opened = self.next.open(number, header, sealed)?;
        self.next_secret = expand(&self.next_secret, b"next");
        let after = PhaseKey::derive(&self.next_secret, b"packet");
        let now_current = std::mem::replace(&mut self.next, after);
        self.previous = Some(std::mem::replace(&mut self.current, now_current));
        self.phase = phase;
        self.first = number;
        Some(opened)
    }
}

impl PhaseKey {
    fn derive(secret: &Secret, purpose: &'static [u8]) -> Self {
        let mut mask = [0; NONCE_LEN];
        mask.copy_from_slice(&expand(secret, &[purpose, b" nonce"].concat())[..NONCE_LEN]);
        let key = expand(secret, &[purpose, b" key"].concat());
        let key = UnboundKey::new(&AES_256_GCM, &key).expect("the key has the length of the algorithm");
        Self { key: LessSafeKey::new(key), mask }
    }

    fn nonce(&self, number: u64) -> Nonce {
        let mut nonce = self.mask;
        for (byte, number) in nonce[NONCE_LEN - 8..].iter_mut().zip(number.to_be_bytes()) {
            *byte ^= number;
        }
        Nonce::assume_unique_for_key(nonce)
    }

    fn seal(&self, number: u64, header: &[u8], plaintext: &mut [u8]) -> [u8; TAG_BYTES] {
        let tag = self
            .key
            .seal_in_place_separate_tag(self.nonce(number), Aad::from(header), plaintext)
            .expect("a datagram is far below the length bound of AES-GCM");
        let mut bytes = [0; TAG_BYTES];
        bytes.copy_from_slice(tag.as_ref());
        bytes
    }

    fn open(&self, number: u64, header: &[u8], sealed: &mut [u8]) -> Option<usize> {
        self.key.open_in_place(self.nonce(number), Aad::from(header), sealed).ok().map(|plaintext| plaintext.len())
    }
}

/// One step of HKDF: 32 bytes out of a secret for one purpose.
fn expand(secret: &Secret, purpose: &[u8]) -> Secret {
    let mut out = [0; SECRET_BYTES];
    hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, secret)
        .expand(&[b"darkages zone transport 1 ", purpose], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut out))
        .expect("32 bytes are within the bound of HKDF-SHA256");
    out
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionKeys")
            .field("send_phase", &self.send.phase)
            .field("sealed", &self.send.sealed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with another implementation.
    const VECTORS: [&str; 6] = [
        "dd235d5f3a1c5d24815b52567cea94340a0af8a1e3d2ca99b454a3fb3df9416b",
        "840dbcb5e36946c8c29606ed",
        "872b95a7d1ea1d921b13229c9419c24bab4db440d0fc9d5d229270abffe13456",
        "80ddccbbaa7856fc4e73a84c1066cf03d656effc870a7de9c16460",
        "c0ddccbbaa79567337d29475f0ebb162fd3b025b77aee20e4712b5",
        "90ddccbbaa00000000000000008cefdb3069e9432f7073e3d9ddfea820262323",
    ];

    fn pair(rekey_after: u64) -> (SessionKeys, SessionKeys) {
        let (a, b) = ([1; 32], [2; 32]);
        (SessionKeys::new(&a, &b, rekey_after), SessionKeys::new(&b, &a, rekey_after))
    }

    fn sealed(keys: &mut SessionKeys, number: u64) -> (bool, Vec<u8>) {
        let (phase, _) = keys.next_phase();
        let mut bytes = number.to_le_bytes().to_vec();
        let tag = keys.seal(number, &[u8::from(phase)], &mut bytes);
        bytes.extend_from_slice(&tag);
        (phase, bytes)
    }

    #[test]
    fn keys_are_replaced_on_time_and_overtaken_packets_still_open() {
        let (mut sender, mut receiver) = pair(10);
        let packets: Vec<_> = (0..95).map(|number| (number, sealed(&mut sender, number))).collect();
        // Neighbours swap places, across the changes of key too.
        for chunk in packets.chunks(2) {
            for (number, (phase, bytes)) in chunk.iter().rev() {
                let mut bytes = bytes.clone();
                let length = receiver.open(*phase, *number, &[u8::from(*phase)], &mut bytes);
                assert_eq!(length.map(|length| &bytes[..length]), Some(&number.to_le_bytes()[..]), "packet {number}");
            }
        }
        assert_eq!(packets[9].1.0, packets[0].1.0);
        assert_ne!(packets[10].1.0, packets[0].1.0);
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The vectors of WIRE.md.
    #[test]
    fn sealed_bytes_stay_as_they_are_documented() {
        use super::super::header::Header;
        let secret: Secret = std::array::from_fn(|index| index as u8);
        let mut keys = SessionKeys::new(&secret, &[0xff; 32], 1);
        assert_eq!(hex(&expand(&secret, b"packet key")), VECTORS[0]);
        assert_eq!(hex(&expand(&secret, b"packet nonce")[..NONCE_LEN]), VECTORS[1]);
        assert_eq!(hex(&expand(&secret, b"next")), VECTORS[2]);
        let mut sealed = Vec::new();
        for number in [0x1234_5678_u64, 0x1234_5679] {
            let (phase, _) = keys.next_phase();
            let mut datagram = [0; 64];
            let head = Header::write_packet(&mut datagram, 0xaabb_ccdd, phase, number, false);
            datagram[head..head + 4].copy_from_slice(b"\x30abc");
            let (header, body) = datagram.split_at_mut(head);
            let tag = keys.seal(number, header, &mut body[..4]);
            datagram[head + 4..head + 20].copy_from_slice(&tag);
            sealed.push(hex(&datagram[..head + 20]));
        }
        let number = keys.next_control().unwrap();
        let mut datagram = [0; 64];
        let head = Header::write_control(&mut datagram, 0xaabb_ccdd, number);
        datagram[head..head + 3].copy_from_slice(&[3, 9, 42]);
        let (header, body) = datagram.split_at_mut(head);
        let tag = keys.seal_control(number, header, &mut body[..3]);
        datagram[head + 3..head + 19].copy_from_slice(&tag);
        sealed.push(hex(&datagram[..head + 19]));
        assert_eq!(sealed, VECTORS[3..]);
    }

    #[test]
    fn a_wrong_header_number_phase_or_byte_does_not_open() {
        let (mut sender, mut receiver) = pair(100);
        let (phase, bytes) = sealed(&mut sender, 5);
        assert_eq!(receiver.open(phase, 6, &[0], &mut bytes.clone()), None);
        assert_eq!(receiver.open(phase, 5, &[1], &mut bytes.clone()), None);
        assert_eq!(receiver.open(!phase, 5, &[0], &mut bytes.clone()), None);
        let mut tampered = bytes.clone();
        tampered[0] ^= 1;
        assert_eq!(receiver.open(phase, 5, &[0], &mut tampered), None);
        assert_eq!(receiver.open(phase, 5, &[0], &mut bytes.clone()), Some(8));
        assert!(!format!("{receiver:?}").contains("secret"));
    }
}
