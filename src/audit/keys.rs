//! Signing keys that somebody names: of parties, and of elements that seal their records.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use trisect_collect::keys::KeyPlace;
use trisect_collect::seal::SigningKey;
use trisect_plan::plan::Plan;

use super::WRONG_KEY;
use crate::problems::{CONTRADICTION, Problems};

/// The signing key that a file or a TPM holds ([`KeyPlace::parse`]).
///
/// # Errors
/// If there is none.
pub fn signing_key(place: &str) -> Result<SigningKey, Problems> {
    let key = KeyPlace::parse(place).and_then(|place| place.key());
    key.map_err(|e| no_key(place, &e))
}

/// Draws a new signing key in a TPM.
///
/// # Errors
/// If the TPM takes none, or the place is a file.
pub fn new_signing_key(place: &str) -> Result<SigningKey, Problems> {
    let key = KeyPlace::parse(place).and_then(|place| place.create());
    key.map_err(|e| no_key(place, &e))
}

fn no_key(place: &str, error: &dyn std::fmt::Display) -> Problems {
    let message = format!("there is no signing key at `{place}`");
    let help = "name a file with 64 hexadecimal digits, 32 bytes that were drawn at random, or tpm:HANDLE of a key that \
                `trisect manifest key --new` has made";
    Problems::error(WRONG_KEY, message, error.to_string(), help)
}

/// The keys under which elements seal their records.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SealKeys(BTreeMap<String, SigningKey>);

impl SealKeys {
    /// Reads keys of elements of a plan, from where they are.
    ///
    /// # Errors
    /// If there is no such element, or no key.
    pub fn read(given: &[(String, String)], plan: &Plan) -> Result<SealKeys, Problems> {
        let mut keys = BTreeMap::new();
        for (element, place) in given {
            if !plan.devices.iter().any(|d| d.name == *element) {
                let message = format!("the plan has no device `{element}` that could seal");
                let names: Vec<&str> = plan.devices.iter().map(|d| d.name.as_str()).collect();
                let help = format!("its devices are {}", names.join(", "));
                return Err(Problems::error(CONTRADICTION, message, "", help));
            }
            keys.insert(element.clone(), signing_key(place)?);
        }
        Ok(SealKeys(keys))
    }

    /// The key of an element: the given one, or that of the embedded rack, which is repeatable and so no secret.
    #[must_use]
    pub fn of(&self, element: &str) -> SigningKey {
        self.0.get(element).cloned().unwrap_or_else(|| {
            let hash = Sha256::new().chain_update(b"trisect embedded rack, ");
            SigningKey::from_bytes(&hash.chain_update(element).finalize().into())
        })
    }
}
