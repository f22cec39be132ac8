//! Payloads: any `Serialize` to MessagePack, and back.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Write;

/// Appends one MessagePack value: structs as maps with field names.
pub(crate) fn encode<W: Write>(payload: &impl Serialize, out: W) -> Result<(), rmp_serde::encode::Error> {
    payload.serialize(&mut rmp_serde::Serializer::new(out).with_struct_map())
}

/// Decodes a payload, all of it.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, rmp_serde::decode::Error> {
    rmp_serde::from_slice(bytes)
}
