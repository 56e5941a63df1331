//! Signatures of a manifest. Both parties sign the manifest's bytes with Ed25519 (RFC 8032); the signatures are in a file
//! beside it.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use trisect_collect::hex;

/// What is signed begins with this, so that the signature says nothing else.
const DOMAIN: &[u8] = b"trisect verification manifest, version 1";

/// The signatures of a manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signatures {
    /// One per party.
    #[serde(default)]
    pub signature: Vec<Signed>,
}

/// A party's signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// Who signs.
    pub party: String,
    /// Its public key, as 64 hexadecimal digits.
    pub key: String,
    /// The signature, as 128 hexadecimal digits.
    pub signature: String,
}

impl Signed {
    /// Signs a manifest.
    #[must_use]
    pub fn new(party: &str, manifest: &[u8], key: &SigningKey) -> Signed {
        Signed {
            party: party.to_owned(),
            key: hex::text(&key.verifying_key().to_bytes()),
            signature: hex::text(&key.sign(&message(party, manifest)).to_bytes()),
        }
    }

    /// Whether this is the party's signature of the manifest, by the key that it names.
    #[must_use]
    pub fn holds(&self, manifest: &[u8]) -> bool {
        let key = hex::bytes(&self.key).ok();
        let key = key.and_then(|k| VerifyingKey::from_bytes(&k).ok());
        let signature = hex::bytes(&self.signature).ok();
        let signature = signature.map(|s| Signature::from_bytes(&s));
        key.zip(signature).is_some_and(|(key, signature)| {
            key.verify_strict(&message(&self.party, manifest), &signature)
                .is_ok()
        })
    }
}

/// What is signed: a constant, the party's name after its length (8 bytes, big-endian), the manifest.
fn message(party: &str, manifest: &[u8]) -> Vec<u8> {
    let mut out = DOMAIN.to_vec();
    out.extend((party.len() as u64).to_be_bytes());
    out.extend(party.as_bytes());
    out.extend(manifest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_what_was_signed_only() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let signed = Signed::new("customer", b"manifest", &key);
        assert!(signed.holds(b"manifest"));
        assert!(!signed.holds(b"manifesto"));
        let mut other = signed.clone();
        other.party = "provider".into();
        assert!(!other.holds(b"manifest"));
        let mut other = signed.clone();
        other.key = hex::text(&SigningKey::from_bytes(&[8; 32]).verifying_key().to_bytes());
        assert!(!other.holds(b"manifest"));
        let mut other = signed;
        other.signature = "00".into();
        assert!(!other.holds(b"manifest"));
    }
}
