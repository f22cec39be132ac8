//! Reading the content of a variant: which one it is stands in the kind.

use super::no_variant;
use serde::de::value::U32Deserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error};
use serde::de::{IntoDeserializer, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;

/// Reads the variant with this index, from 0, of an enum from its content alone.
///
/// # Errors
/// What the format returns; also if the enum does not deserialize as an enum.
pub fn read_variant<'de, T: DeserializeOwned, D: Deserializer<'de>>(index: u32, from: D) -> Result<T, D::Error> {
    T::deserialize(Variant { index, from })
}

/// A variant of which the content is there.
struct Variant<D> {
    index: u32,
    from: D,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Variant<D> {
    type Error = D::Error;

    fn is_human_readable(&self) -> bool {
        self.from.is_human_readable()
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let name = variants.get(self.index as usize).copied().unwrap_or_default();
        visitor.visit_enum(Access { index: self.index, content: Content { name, from: self.from } })
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, D::Error> {
        Err(D::Error::custom(no_variant("read as something else")))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct Access<D> {
    index: u32,
    content: Content<D>,
}

impl<'de, D: Deserializer<'de>> EnumAccess<'de> for Access<D> {
    type Error = D::Error;
    type Variant = Content<D>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content<D>), D::Error> {
        let index: U32Deserializer<D::Error> = self.index.into_deserializer();
        Ok((seed.deserialize(index)?, self.content))
    }
}

struct Content<D> {
    name: &'static str,
    from: D,
}

impl<'de, D: Deserializer<'de>> VariantAccess<'de> for Content<D> {
    type Error = D::Error;

    fn unit_variant(self) -> Result<(), D::Error> {
        self.from.deserialize_unit_struct(self.name, Nothing)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, D::Error> {
        seed.deserialize(self.from)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, D::Error> {
        self.from.deserialize_tuple_struct(self.name, len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.from.deserialize_struct(self.name, fields, visitor)
    }
}

struct Nothing;

impl Visitor<'_> for Nothing {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("nothing")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}
