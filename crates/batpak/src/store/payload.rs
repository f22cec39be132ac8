//! Payloads: any `Serialize` to MessagePack, and back.

use crate::PayloadError;
use crate::store::json;
use batpak_core::EventKind;
use rmp_serde::config::{DefaultConfig, StructMapConfig};
use rmp_serde::decode::ReadRefReader;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::Write;

/// Appends one MessagePack value: structs as maps with field names.
pub(crate) fn encode<W: Write>(payload: &impl Serialize, out: W) -> Result<(), rmp_serde::encode::Error> {
    payload.serialize(&mut encoder(out))
}

/// What every payload is written with.
pub(crate) fn encoder<W: Write>(out: W) -> rmp_serde::Serializer<W, StructMapConfig<DefaultConfig>> {
    rmp_serde::Serializer::new(out).with_struct_map()
}

/// Decodes a payload, whatever its kind and version.
pub(crate) fn decode<T: DeserializeOwned>(_: EventKind, _: u16, bytes: &[u8]) -> Result<T, PayloadError> {
    Ok(rmp_serde::from_slice(bytes)?)
}

/// Shows a payload as JSON, whatever its kind and version.
pub(crate) fn show(_: EventKind, _: u16, bytes: &[u8]) -> Result<Value, PayloadError> {
    Ok(json::payload_to_json(bytes)?)
}

/// What every payload is read with.
pub(crate) fn decoder(bytes: &[u8]) -> rmp_serde::Deserializer<ReadRefReader<'_, [u8]>> {
    rmp_serde::Deserializer::from_read_ref(bytes)
}
