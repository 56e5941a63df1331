//! Records as IPFIX (RFC 7011) with the information elements of PSAMP (RFC 5476, 5477).
//!
//! All numbers are big-endian. A message begins with the options that tell which selection the records come from;
//! data records follow, behind their templates. A file is a sequence of messages (RFC 5655). Of the selection,
//! hash and ranges are told, the key never.
//!
//! | element | number | width | what of a [`Record`](trisect_sample::Record) |
//! |---|---|---|---|
//! | selectionSequenceId | 301 | 8 | the selection, as in the options |
//! | observationDomainName | 300 | text | `element` |
//! | flowDirection | 61 | 1 | `point`: 0 in, 1 out or drop |
//! | forwardingStatus | 89 | 1 | `point`: 0 in, 64 out, 128 drop |
//! | ingressInterface | 10 | 4 | `port` of an arrival |
//! | egressInterface | 14 | 4 | `port` of a departure |
//! | observationTimeNanoseconds | 325 | 8 | `time_ns`, in NTP format; times from 1970 to 2106 |
//! | layer2OctetDeltaCount | 352 | 8 | `len` |
//! | digestHashValue | 326 | 8 | `digest` |
//! | dataLinkFrameSection | 315 | bytes | `packet` |
//! | enterprise 32473, 1 | | 8 | `id` |
//! | enterprise 32473, 2 | | 8 | `visit` |
//! | enterprise 32473, 3 | | 4 | `mark` |
//! | enterprise 32473, 4 | | 4 | `meta` |
//! | enterprise 32473, 5 | | 8 | `tag`, in templates of records that have one |
//! | enterprise 32473, 6 | | 8 | `used.cycles`, in templates of records with `work`, like the next two |
//! | enterprise 32473, 7 | | 8 | `used.bytes` |
//! | enterprise 32473, 8 | | 8 | `used.memory` |
//! | enterprise 32473, 9 | | text | `reason` |
//! | enterprise 32473, 10 | | text | `lookups` and `state`, as JSON |
//!
//! Texts and bytes that are empty are left out, with their fields.
//!
//! 32473 is the enterprise number for examples (RFC 5612): this project has none of its own.

mod read;
mod write;

pub use read::{Decoder, ReadError};
pub use write::{Encoder, MAX_MESSAGE, TooLong};

/// The enterprise number of our information elements.
pub const ENTERPRISE: u32 = 32473;

/// An information element: number, and enterprise if it is none of IANA's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Element {
    /// Number without enterprise bit.
    pub number: u16,
    /// Enterprise number.
    pub enterprise: Option<u32>,
}

const fn iana(number: u16) -> Element {
    Element {
        number,
        enterprise: None,
    }
}

const fn own(number: u16) -> Element {
    Element {
        number,
        enterprise: Some(ENTERPRISE),
    }
}

const SEQUENCE: Element = iana(301);
const NAME: Element = iana(300);
const DIRECTION: Element = iana(61);
const STATUS: Element = iana(89);
const INGRESS: Element = iana(10);
const EGRESS: Element = iana(14);
const TIME: Element = iana(325);
const LENGTH: Element = iana(352);
const DIGEST: Element = iana(326);
const FRAME: Element = iana(315);
const ID: Element = own(1);
const VISIT: Element = own(2);
const MARK: Element = own(3);
const META: Element = own(4);
const TAG: Element = own(5);
const CYCLES: Element = own(6);
const BYTES: Element = own(7);
const MEMORY: Element = own(8);
const REASON: Element = own(9);
const WORK: Element = own(10);

const OBSERVATION_POINT: Element = iana(138);
const SELECTOR: Element = iana(302);
const SELECTOR_ALGORITHM: Element = iana(304);
const OUTPUT_MIN: Element = iana(329);
const OUTPUT_MAX: Element = iana(330);
const SELECTED_MIN: Element = iana(331);
const SELECTED_MAX: Element = iana(332);

/// Bits of `forwardingStatus` (RFC 7270, section 4.12).
const FORWARDED: u8 = 64;
const DROPPED: u8 = 128;

/// Width in a template that says that each value has its own (RFC 7011, section 7).
const VARIABLE: u16 = 0xffff;
/// Seconds from the NTP epoch, 1900, to 1970.
const NTP_TO_UNIX: u64 = 2_208_988_800;
const TEMPLATE_SET: u16 = 2;
const OPTIONS_SET: u16 = 3;
const VERSION: u16 = 10;
const HEADER: usize = 16;
