//! Where a signing key is: in a file, or in a TPM.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::seal::SigningKey;

/// Where a signing key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPlace {
    /// A file with 64 hexadecimal digits: 32 bytes that were drawn at random.
    File(PathBuf),
    /// A TPM 2.0: `tpm:HANDLE` or `tpm:HANDLE+PCR,PCR...`, like `tpm:0x81010001+8,14`.
    Tpm(TpmPlace),
}

/// Where in a TPM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TpmPlace {
    /// The handle of the persistent object.
    pub handle: u32,
    /// The platform configuration registers to which it is bound.
    pub pcrs: BTreeSet<u32>,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// What begins with `tpm:` says no place.
    #[error(
        "`{0}` is no place in a TPM: write tpm:HANDLE or tpm:HANDLE+PCR,PCR, like tpm:0x81010001+8,14"
    )]
    Place(String),
    /// The file cannot be read.
    #[error("{}: {source}", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error("{} holds no key: a key is 64 hexadecimal digits", .0.display())]
    NoKey(PathBuf),
    /// New keys are drawn in TPMs only.
    #[error("{} is a file: only a TPM draws new keys", .0.display())]
    NotDrawn(PathBuf),
    /// The TPM gives none.
    #[cfg(feature = "tpm")]
    #[error(transparent)]
    Tpm(#[from] crate::tpm::TpmError),
    /// There is no code for TPMs.
    #[cfg(not(feature = "tpm"))]
    #[error(
        "this is built without support for TPMs; build it with the feature `trisect-collect/tpm`"
    )]
    NoTpm,
}

impl KeyPlace {
    /// Reads a place as people write it; what does not begin with `tpm:` is a file.
    ///
    /// # Errors
    /// If it begins so and is no place in a TPM.
    pub fn parse(text: &str) -> Result<KeyPlace, KeyError> {
        let Some(place) = text.strip_prefix("tpm:") else {
            return Ok(KeyPlace::File(PathBuf::from(text)));
        };
        let wrong = || KeyError::Place(text.to_owned());
        let (handle, pcrs) = place.split_once('+').unwrap_or((place, ""));
        let digits = handle.strip_prefix("0x").ok_or_else(wrong)?;
        let handle = u32::from_str_radix(digits, 16).map_err(|_| wrong())?;
        let pcrs = pcrs.split(',').filter(|_| !pcrs.is_empty());
        let pcrs: Result<BTreeSet<u32>, _> = pcrs.map(str::parse).collect();
        Ok(KeyPlace::Tpm(TpmPlace {
            handle,
            pcrs: pcrs.map_err(|_| wrong())?,
        }))
    }

    /// The key that is there.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn key(&self) -> Result<SigningKey, KeyError> {
        match self {
            KeyPlace::File(file) => of_file(file),
            #[cfg(feature = "tpm")]
            KeyPlace::Tpm(place) => Ok(crate::tpm::Tpm::from_environment()?.unseal(place)?),
            #[cfg(not(feature = "tpm"))]
            KeyPlace::Tpm(_) => Err(KeyError::NoTpm),
        }
    }

    /// Draws a new key in a TPM, and seals it at this place, where nothing may be.
    ///
    /// # Errors
    /// See [`KeyError`]; a file is written by whoever is to read it.
    pub fn create(&self) -> Result<SigningKey, KeyError> {
        match self {
            KeyPlace::File(file) => Err(KeyError::NotDrawn(file.clone())),
            #[cfg(feature = "tpm")]
            KeyPlace::Tpm(place) => Ok(crate::tpm::Tpm::from_environment()?.create(place)?),
            #[cfg(not(feature = "tpm"))]
            KeyPlace::Tpm(_) => Err(KeyError::NoTpm),
        }
    }
}

fn of_file(file: &Path) -> Result<SigningKey, KeyError> {
    let text = std::fs::read_to_string(file).map_err(|source| KeyError::Unreadable {
        file: file.to_owned(),
        source,
    })?;
    let bytes = crate::hex::bytes(text.trim()).map_err(|_| KeyError::NoKey(file.to_owned()))?;
    Ok(SigningKey::from_bytes(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read() {
        let tpm = |handle, pcrs: &[u32]| {
            KeyPlace::Tpm(TpmPlace {
                handle,
                pcrs: pcrs.iter().copied().collect(),
            })
        };
        let read = |text: &str| KeyPlace::parse(text).unwrap();
        assert_eq!(read("tpm:0x81010001"), tpm(0x8101_0001, &[]));
        assert_eq!(read("tpm:0x81010001+14,8"), tpm(0x8101_0001, &[8, 14]));
        assert_eq!(read("a.key"), KeyPlace::File("a.key".into()));
        for wrong in ["tpm:", "tpm:81010001", "tpm:0x1+a", "tpm:0xx"] {
            assert!(KeyPlace::parse(wrong).is_err(), "{wrong}");
        }
    }
}
