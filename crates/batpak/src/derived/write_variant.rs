//! Writing the content of a variant: which one it is stands in the kind.

use super::no_variant;
use serde::ser::{Error, Impossible, Serialize, SerializeStruct, SerializeTupleStruct, Serializer};
use serde::ser::{SerializeStructVariant, SerializeTupleVariant};

/// Writes the content of the variant that an enum has, as a struct of the same fields would be written.
///
/// # Errors
/// What the format returns; also if the enum does not serialize as an enum.
pub fn write_variant<T: Serialize, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    value.serialize(ContentOf(to))
}

/// Takes an enum, and writes what is in its variant.
struct ContentOf<S>(S);

/// The fields of a variant.
struct Fields<F>(F);

impl<F: SerializeStruct> SerializeStructVariant for Fields<F> {
    type Ok = F::Ok;
    type Error = F::Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), F::Error> {
        self.0.serialize_field(key, value)
    }

    fn skip_field(&mut self, key: &'static str) -> Result<(), F::Error> {
        self.0.skip_field(key)
    }

    fn end(self) -> Result<F::Ok, F::Error> {
        self.0.end()
    }
}

impl<F: SerializeTupleStruct> SerializeTupleVariant for Fields<F> {
    type Ok = F::Ok;
    type Error = F::Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), F::Error> {
        self.0.serialize_field(value)
    }

    fn end(self) -> Result<F::Ok, F::Error> {
        self.0.end()
    }
}

fn refused<T, E: Error>(what: &str) -> Result<T, E> {
    Err(E::custom(no_variant(what)))
}

macro_rules! refuse {
    ($($method:ident: $of:ty = $what:literal,)*) => {$(
        fn $method(self, _: $of) -> Result<S::Ok, S::Error> {
            refused($what)
        }
    )*};
}

impl<S: Serializer> Serializer for ContentOf<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Impossible<S::Ok, S::Error>;
    type SerializeTuple = Impossible<S::Ok, S::Error>;
    type SerializeTupleStruct = Impossible<S::Ok, S::Error>;
    type SerializeTupleVariant = Fields<S::SerializeTupleStruct>;
    type SerializeMap = Impossible<S::Ok, S::Error>;
    type SerializeStruct = Impossible<S::Ok, S::Error>;
    type SerializeStructVariant = Fields<S::SerializeStruct>;

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<S::Ok, S::Error> {
        self.0.serialize_unit_struct(variant)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        value.serialize(self.0)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.0.serialize_tuple_struct(variant, len).map(Fields)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.0.serialize_struct(variant, len).map(Fields)
    }

    refuse! {
        serialize_bool: bool = "a boolean",
        serialize_i8: i8 = "a number",
        serialize_i16: i16 = "a number",
        serialize_i32: i32 = "a number",
        serialize_i64: i64 = "a number",
        serialize_i128: i128 = "a number",
        serialize_u8: u8 = "a number",
        serialize_u16: u16 = "a number",
        serialize_u32: u32 = "a number",
        serialize_u64: u64 = "a number",
        serialize_u128: u128 = "a number",
        serialize_f32: f32 = "a number",
        serialize_f64: f64 = "a number",
        serialize_char: char = "a character",
        serialize_str: &str = "a string",
        serialize_bytes: &[u8] = "bytes",
        serialize_unit_struct: &'static str = "a unit struct",
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        refused("a unit")
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        refused("an option")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<S::Ok, S::Error> {
        refused("an option")
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, _: &T) -> Result<S::Ok, S::Error> {
        refused("a newtype struct")
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        refused("a sequence")
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, S::Error> {
        refused("a tuple")
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, S::Error> {
        refused("a tuple struct")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        refused("a map")
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, S::Error> {
        refused("a struct")
    }
}
