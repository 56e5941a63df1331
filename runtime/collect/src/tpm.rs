//! Signing keys that a TPM 2.0 keeps (the feature `tpm`).
//!
//! TPMs rarely sign with Ed25519. So the seed of the key, 32 bytes, is a sealed data object (TPM 2.0 Library, part 1, section
//! 15, "sealed data") under a primary key of the storage hierarchy, made persistent at a handle. It can be bound to platform
//! configuration registers (PCR, SHA-256 bank): then it is given out only while these are what they were when it was sealed,
//! so that other images than those that were measured get no key. The seed leaves the TPM when a process signs, in a session
//! that encrypts it on its way; it never is in a file.
//!
//! Which TPM is meant says the variable `TCTI` (or `TPM2TOOLS_TCTI`), as for `tpm2-tools`; without it, `/dev/tpmrm0`.

use std::str::FromStr;

use tss_esapi::Context;
use tss_esapi::attributes::{ObjectAttributesBuilder, SessionAttributesBuilder};
use tss_esapi::constants::SessionType;
use tss_esapi::handles::{KeyHandle, PersistentTpmHandle, SessionHandle, TpmHandle};
use tss_esapi::interface_types::algorithm::{HashingAlgorithm, PublicAlgorithm};
use tss_esapi::interface_types::dynamic_handles::Persistent;
use tss_esapi::interface_types::ecc::EccCurve;
use tss_esapi::interface_types::resource_handles::{Hierarchy, Provision};
use tss_esapi::interface_types::session_handles::{AuthSession, PolicySession};
use tss_esapi::structures::{
    Digest, EccPoint, EccScheme, KeyDerivationFunctionScheme, KeyedHashScheme, PcrSelectionList,
    PcrSlot, Public, PublicBuilder, PublicEccParametersBuilder, PublicKeyedHashParameters,
    SensitiveData, SymmetricDefinition, SymmetricDefinitionObject,
};
use tss_esapi::tcti_ldr::TctiNameConf;

use crate::keys::TpmPlace;
use crate::seal::SigningKey;

/// How many registers a bank has (TCG PC Client Platform TPM Profile, section 4.6).
const PCRS: u32 = 24;
/// Where the TPM is if nobody says so.
const DEVICE: &str = "device:/dev/tpmrm0";

/// Why a TPM gives no key, or takes none.
#[derive(Debug, thiserror::Error)]
pub enum TpmError {
    /// The TPM, or the way to it, refuses.
    #[error("{doing}: {source}")]
    Refused {
        /// What was being done.
        doing: &'static str,
        /// What it says.
        #[source]
        source: tss_esapi::Error,
    },
    /// The handle is none of a persistent object.
    #[error("{0:#010x} is no handle of a persistent object (0x81000000 to 0x81ffffff)")]
    Handle(u32),
    /// There is no such register.
    #[error("there is no PCR {0}: they have the numbers 0 to 23")]
    NoPcr(u32),
    /// What is sealed is no key.
    #[error("what is sealed there has {0} bytes; a key has 32")]
    NoKey(usize),
}

trait While<T> {
    fn when(self, doing: &'static str) -> Result<T, TpmError>;
}

impl<T> While<T> for Result<T, tss_esapi::Error> {
    fn when(self, doing: &'static str) -> Result<T, TpmError> {
        self.map_err(|source| TpmError::Refused { doing, source })
    }
}

/// A TPM.
pub struct Tpm(Context);

impl Tpm {
    /// The one that the environment names, or this machine's.
    ///
    /// # Errors
    /// If it cannot be reached.
    pub fn from_environment() -> Result<Tpm, TpmError> {
        let tcti = TctiNameConf::from_environment_variable()
            .or_else(|_| TctiNameConf::from_str(DEVICE))
            .when("finding the TPM")?;
        Context::new(tcti).map(Tpm).when("opening the TPM")
    }

    /// The one that a TCTI reaches, like `swtpm:host=127.0.0.1,port=2321`.
    ///
    /// # Errors
    /// If it cannot be reached.
    pub fn open(tcti: &str) -> Result<Tpm, TpmError> {
        let tcti = TctiNameConf::from_str(tcti).when("finding the TPM")?;
        Context::new(tcti).map(Tpm).when("opening the TPM")
    }

    /// Gives the key that is sealed at a place.
    ///
    /// # Errors
    /// There is no key, or the registers are not what they were.
    pub fn unseal(&mut self, place: &TpmPlace) -> Result<SigningKey, TpmError> {
        let tpm = &mut self.0;
        let handle = TpmHandle::Persistent(persistent(place)?);
        let item = tpm.execute_without_session(|tpm| tpm.tr_from_tpm_public(handle));
        let item = item.when("looking for the sealed key")?;
        let seed = with_policy(tpm, place, |tpm, _, session| {
            let seed = tpm.execute_with_session(Some(session), |tpm| tpm.unseal(item));
            seed.when("unsealing the key")
        })?;
        let bytes: Result<[u8; 32], _> = seed.value().try_into();
        let bytes = bytes.map_err(|_| TpmError::NoKey(seed.value().len()))?;
        Ok(SigningKey::from_bytes(&bytes))
    }

    /// Draws a new key, by the TPM, and seals it at a place, where nothing may be.
    ///
    /// # Errors
    /// If the TPM refuses.
    pub fn create(&mut self, place: &TpmPlace) -> Result<SigningKey, TpmError> {
        let tpm = &mut self.0;
        let at = persistent(place)?;
        let drawn = tpm.execute_without_session(|tpm| tpm.get_random(32));
        let drawn = drawn.when("drawing a key")?;
        let bytes: [u8; 32] = drawn
            .value()
            .try_into()
            .map_err(|_| TpmError::NoKey(drawn.value().len()))?;
        with_policy(tpm, place, |tpm, primary, session| {
            let session = PolicySession::try_from(session).when("agreeing on a policy")?;
            let digest = tpm
                .policy_get_digest(session)
                .when("agreeing on a policy")?;
            let public = data(digest).when("describing the key")?;
            let seed = SensitiveData::try_from(bytes.to_vec()).when("describing the key")?;
            let sealed = tpm.execute_with_nullauth_session(|tpm| {
                let made = tpm.create(primary, public, None, Some(seed), None, None)?;
                let loaded = tpm.load(primary, made.out_private, made.out_public)?;
                let persistent = Persistent::Persistent(at);
                let kept = tpm.evict_control(Provision::Owner, loaded.into(), persistent);
                tpm.flush_context(loaded.into())?;
                kept
            });
            sealed.map(drop).when("sealing the key")
        })?;
        Ok(SigningKey::from_bytes(&bytes))
    }
}

/// Runs something with the storage key and a session that fulfils the policy; both are ended.
fn with_policy<T>(
    tpm: &mut Context,
    place: &TpmPlace,
    run: impl FnOnce(&mut Context, KeyHandle, AuthSession) -> Result<T, TpmError>,
) -> Result<T, TpmError> {
    let primary = primary(tpm)?;
    let done = policy(tpm, primary).and_then(|session| {
        let done = fulfil(tpm, session, place).and_then(|()| run(tpm, primary, session));
        let ended = tpm.flush_context(SessionHandle::from(session).into());
        done.and_then(|done| ended.when("ending").map(|()| done))
    });
    let ended = tpm.flush_context(primary.into()).when("ending");
    done.and_then(|done| ended.map(|()| done))
}

fn persistent(place: &TpmPlace) -> Result<PersistentTpmHandle, TpmError> {
    PersistentTpmHandle::new(place.handle).map_err(|_| TpmError::Handle(place.handle))
}

/// A primary key of the storage hierarchy: ECC NIST P-256 with AES-128, the same every time.
fn primary(tpm: &mut Context) -> Result<KeyHandle, TpmError> {
    let describe = || {
        let attributes = ObjectAttributesBuilder::new()
            .with_fixed_tpm(true)
            .with_fixed_parent(true)
            .with_sensitive_data_origin(true)
            .with_user_with_auth(true)
            .with_no_da(true)
            .with_restricted(true)
            .with_decrypt(true)
            .build()?;
        let parameters = PublicEccParametersBuilder::new()
            .with_symmetric(SymmetricDefinitionObject::AES_128_CFB)
            .with_ecc_scheme(EccScheme::Null)
            .with_curve(EccCurve::NistP256)
            .with_key_derivation_function_scheme(KeyDerivationFunctionScheme::Null)
            .with_is_signing_key(false)
            .with_is_decryption_key(true)
            .with_restricted(true)
            .build()?;
        PublicBuilder::new()
            .with_public_algorithm(PublicAlgorithm::Ecc)
            .with_name_hashing_algorithm(HashingAlgorithm::Sha256)
            .with_object_attributes(attributes)
            .with_ecc_parameters(parameters)
            .with_ecc_unique_identifier(EccPoint::default())
            .build()
    };
    let public = describe().when("describing the storage key")?;
    let made = tpm.execute_with_nullauth_session(|tpm| {
        tpm.create_primary(Hierarchy::Owner, public, None, None, None, None)
    });
    Ok(made.when("making the storage key")?.key_handle)
}

/// A sealed data object that this policy gives out, and nothing else does.
fn data(policy: Digest) -> Result<Public, tss_esapi::Error> {
    let attributes = ObjectAttributesBuilder::new()
        .with_fixed_tpm(true)
        .with_fixed_parent(true)
        .with_no_da(true)
        .with_admin_with_policy(true)
        .with_user_with_auth(false)
        .build()?;
    PublicBuilder::new()
        .with_public_algorithm(PublicAlgorithm::KeyedHash)
        .with_name_hashing_algorithm(HashingAlgorithm::Sha256)
        .with_object_attributes(attributes)
        .with_auth_policy(policy)
        .with_keyed_hash_parameters(PublicKeyedHashParameters::new(KeyedHashScheme::Null))
        .with_keyed_hash_unique_identifier(Digest::default())
        .build()
}

/// A session for a policy, which encrypts what the TPM answers.
fn policy(tpm: &mut Context, salted_by: KeyHandle) -> Result<AuthSession, TpmError> {
    let doing = "agreeing on a policy";
    let started = tpm.execute_without_session(|tpm| {
        tpm.start_auth_session(
            Some(salted_by),
            None,
            None,
            SessionType::Policy,
            SymmetricDefinition::AES_128_CFB,
            HashingAlgorithm::Sha256,
        )
    });
    let none = TpmError::Refused {
        doing,
        source: tss_esapi::Error::WrapperError(tss_esapi::WrapperErrorKind::WrongValueFromTpm),
    };
    let session = started.when(doing)?.ok_or(none)?;
    let (attributes, mask) = SessionAttributesBuilder::new()
        .with_decrypt(true)
        .with_encrypt(true)
        .build();
    tpm.tr_sess_set_attributes(session, attributes, mask)
        .when(doing)?;
    Ok(session)
}

/// Fulfils the policy of a place, if the registers are what they were.
fn fulfil(tpm: &mut Context, session: AuthSession, place: &TpmPlace) -> Result<(), TpmError> {
    let doing = "agreeing on a policy";
    let slots = place.pcrs.iter().map(|pcr| {
        let bit = 1u32.checked_shl(*pcr).filter(|_| *pcr < PCRS);
        let slot = bit.and_then(|bit| PcrSlot::try_from(bit).ok());
        slot.ok_or(TpmError::NoPcr(*pcr))
    });
    let slots: Vec<PcrSlot> = slots.collect::<Result<_, _>>()?;
    let selection = PcrSelectionList::builder()
        .with_selection(HashingAlgorithm::Sha256, &slots)
        .build()
        .when(doing)?;
    let policy = PolicySession::try_from(session).when(doing)?;
    // An empty digest stands for the registers as they are.
    tpm.policy_pcr(policy, Digest::default(), selection)
        .when(doing)
}
