//! The hashes: what is in them, and in which order.

use core::fmt;

use crate::layout::{self, HASH_LEN, SALT_LEN, Trailer};
use crate::sha256::Sha256;

macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; HASH_LEN]);

        impl $name {
            /// The hash with these bytes.
            pub const fn from_bytes(bytes: [u8; HASH_LEN]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            pub const fn as_bytes(&self) -> &[u8; HASH_LEN] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

hash_type! {
    /// The hash of an event: SHA-256 over its fields, the hash of its payload, and the hash of the event before it in
    /// its entity's stream. It is shown in hexadecimal.
    EventHash
}

hash_type! {
    /// The hash of a payload and its salt, SHA-256. It is shown in hexadecimal.
    PayloadHash
}

hash_type! {
    /// The hash of a Merkle tree or of a subtree of it, SHA-256. It is shown in hexadecimal.
    TreeHash
}

impl EventHash {
    /// What stands for the event before the first one of a stream: 32 zero bytes.
    pub const GENESIS: Self = Self([0; HASH_LEN]);
}

impl PayloadHash {
    /// What stands where a hash will.
    pub(crate) const NONE: Self = Self([0; HASH_LEN]);

    /// The hash of `payload` with its 16 bytes of salt.
    ///
    /// # Examples
    ///
    /// ```
    /// use batpak_core::PayloadHash;
    ///
    /// assert_eq!(PayloadHash::of([1; 16], b"yes"), PayloadHash::of([1; 16], b"yes"));
    /// assert_ne!(PayloadHash::of([1; 16], b"yes"), PayloadHash::of([2; 16], b"yes"));
    /// ```
    pub fn of(salt: [u8; SALT_LEN], payload: &[u8]) -> Self {
        Self(sha256([&layout::PAYLOAD_HASH_TAG, &salt, payload]))
    }

    /// The hash of salt and payload as they stand in a record, one after the other.
    pub(crate) fn of_content(content: &[u8]) -> Self {
        Self(sha256([&layout::PAYLOAD_HASH_TAG, content]))
    }
}

pub(crate) use crate::sha256::digest as sha256;

impl EventHash {
    /// The hash of an event whose place is known. `trailer` holds the hash of the event before where its own hash stands.
    pub(crate) fn of_event(head: &[u8], payload_hash: &PayloadHash, trailer: &Trailer) -> Self {
        let (start, rest) = layout::hashed_head(head);
        Self(sha256([&start, rest, &payload_hash.0, &trailer.to_bytes()]))
    }
}

/// An event hash that still waits for the event's place.
#[derive(Debug, Clone)]
pub(crate) struct OpenEventHash(Sha256);

impl OpenEventHash {
    /// Takes in the head of a record and the hash of its payload.
    pub(crate) fn new(head: &[u8], payload_hash: &PayloadHash) -> Self {
        let (start, rest) = layout::hashed_head(head);
        let mut hash = Sha256::new();
        hash.update(&start);
        hash.update(rest);
        hash.update(&payload_hash.0);
        Self(hash)
    }

    /// Takes in the event's place. `trailer` holds the hash of the event before where its own hash will stand.
    pub(crate) fn finish(mut self, trailer: &Trailer) -> EventHash {
        self.0.update(&trailer.to_bytes());
        EventHash(self.0.finish())
    }
}
