//! Finding payloads of a type by asking its `Deserialize`.

use super::questions::{Extreme, Fault, OPTIONAL, Plan, Run};
use super::shape::{ANYTHING, Shape, field};
use crate::{EventPayload, KindInfo, PayloadError};
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use std::collections::{BTreeMap, BTreeSet};

/// So many values are tried for one that is accepted.
const TRIES_MAX: usize = 2000;

/// What was found of a kind.
#[derive(Debug, Default)]
pub(super) struct Traced {
    pub(super) shape: Shape,
    pub(super) samples: BTreeSet<Vec<u8>>,
    /// Fields that are another name of a field.
    pub(super) aliases: BTreeSet<String>,
}

/// The shape of a kind's newest version and payloads in which every variant occurs, and both ends of everything else.
pub(super) fn trace<T: EventPayload>(info: &KindInfo) -> Result<Traced, Fault> {
    let mut traced = Traced::default();
    let mut seen = BTreeSet::new();
    let mut targets = vec![BTreeMap::new()];
    while let Some(variants) = targets.pop() {
        let most = settle::<T>(info, &mut traced, &variants, Extreme::Most);
        let least = settle::<T>(info, &mut traced, &variants, Extreme::Least);
        // Either end will do: a number that must not be 0 has no lower one.
        let found = match (most, least) {
            (Ok(most), Ok(least)) => [most, least].concat(),
            (Ok(enums), Err(_)) | (Err(_), Ok(enums)) => enums,
            (Err(fault), Err(_)) => return Err(fault),
        };
        for (path, count) in found {
            if seen.insert(path.clone()) {
                let taken = variants.get(&path).copied().unwrap_or(0);
                let others = (0..count).filter(|other| *other != taken);
                targets.extend(others.map(|other| {
                    let mut target = variants.clone();
                    target.insert(path.clone(), other);
                    target
                }));
            }
        }
    }
    Ok(traced)
}

/// Makes one payload: answers otherwise until a value comes of it. Returns the enums in it.
fn settle<T: EventPayload>(
    info: &KindInfo,
    traced: &mut Traced,
    variants: &BTreeMap<String, usize>,
    extreme: Extreme,
) -> Result<Vec<(String, usize)>, Fault> {
    let aliases = traced.aliases.clone();
    let mut plan = Plan { extreme, variants: variants.clone(), answers: BTreeMap::new(), aliases };
    let mut first = None;
    for _ in 0..TRIES_MAX {
        let mut run = Run::new(&plan);
        let fault = match attempt::<T>(info, &mut run) {
            Ok(sample) => {
                for (path, text) in run.shape {
                    traced.shape.entry(path).or_insert(text);
                }
                let enums = run.enums.into_iter().collect();
                traced.samples.insert(sample);
                traced.aliases.extend(plan.aliases);
                return Ok(enums);
            }
            Err(fault) => fault,
        };
        let questions = run.questions;
        if let Some(alias) = fault.alias {
            plan.aliases.insert(alias);
            continue;
        }
        let path = questions.last().map(|(path, _)| path.clone()).unwrap_or_default();
        first.get_or_insert(Fault { path, ..fault });
        if !next_answers(&mut plan.answers, &questions) {
            break;
        }
    }
    Err(first.unwrap_or_else(|| Fault::custom("no value is accepted")))
}

/// Counts up, the last question first.
fn next_answers(answers: &mut BTreeMap<String, usize>, questions: &[(String, usize)]) -> bool {
    for (path, count) in questions.iter().rev() {
        let answer = answers.entry(path.clone()).or_insert(0);
        if *answer + 1 < *count {
            *answer += 1;
            return true;
        }
        *answer = 0;
    }
    false
}

/// Makes a value, writes it, and sees that it can be read.
fn attempt<T: EventPayload>(info: &KindInfo, run: &mut Run<'_>) -> Result<Vec<u8>, Fault> {
    let value = T::read_from(info.kind, info.version, Tracer { run, path: String::new() })?;
    let mut sample = Vec::new();
    value.encode(&mut sample).map_err(Fault::custom)?;
    match T::decode(info.kind, info.version, &sample) {
        Ok(_) => Ok(sample),
        Err(error) => Err(Fault::custom(not_read(&error))),
    }
}

/// Says that a value is written, and what is written is not read.
pub(super) fn not_read(error: &PayloadError) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    format!("what it writes it does not read: {}", cause.unwrap_or_default())
}

/// Answers what is asked at a path.
struct Tracer<'a, 'p> {
    run: &'a mut Run<'p>,
    path: String,
}

impl Tracer<'_, '_> {
    /// One of these answers; the first of `most` or of `least` to begin with.
    fn choose<V: Copy>(&mut self, text: &str, most: &[V], least: &[V]) -> V {
        self.run.note(&self.path, text);
        let list = if self.run.plan.extreme == Extreme::Most { most } else { least };
        list[self.run.answer(&self.path, list.len())]
    }

    /// How many elements, entries or values.
    fn count(&mut self, text: &str, most: &[usize], least: &[usize]) -> usize {
        if self.run.recurs() {
            self.run.note(&self.path, text);
            return 0;
        }
        self.choose(text, most, least)
    }

    /// Makes a container with this name.
    fn within<R>(
        self,
        name: &'static str,
        text: &str,
        make: impl FnOnce(&mut Self) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        let mut own = self;
        own.run.note(&own.path, text);
        own.run.enter(name)?;
        let result = make(&mut own);
        own.run.leave();
        result
    }
}

impl<'p> Tracer<'_, 'p> {
    fn inner(&mut self, path: String) -> Tracer<'_, 'p> {
        Tracer { run: &mut *self.run, path }
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $number:ident: $most:expr, $least:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Fault> {
            visitor.$visit(self.choose(stringify!($number), &$most, &$least))
        }
    )*};
}

/// What is tried where a string is asked for.
const STRINGS: [&str; 12] = [
    "sample",
    "a",
    "0",
    "1",
    "2024-01-01T00:00:00Z",
    "2024-01-01",
    "00:00:00",
    "00000000-0000-0000-0000-000000000000",
    "127.0.0.1",
    "http://example.com/",
    "a@example.com",
    "/",
];
const BYTES: [&[u8]; 10] =
    [&[1; 3], &[1; 16], &[1; 1], &[1; 4], &[1; 8], &[1; 12], &[1; 20], &[1; 24], &[1; 32], &[1; 64]];

impl Tracer<'_, '_> {
    fn string(&mut self) -> &'static str {
        let mut least = STRINGS;
        least[0] = "";
        self.choose("string", &STRINGS, &least)
    }

    fn bytes(&mut self) -> &'static [u8] {
        let mut least = BYTES;
        least[0] = &[];
        self.choose("bytes", &BYTES, &least)
    }

    /// The variant of an enum, by its position.
    fn variant(&mut self, name: &'static str, count: usize) -> usize {
        if self.run.recurs() {
            return self.run.answer(&format!("{name} within itself"), count);
        }
        self.run.enums.insert(self.path.clone(), count);
        self.run.plan.variants.get(&self.path).copied().unwrap_or(0)
    }
}

impl<'de> Deserializer<'de> for Tracer<'_, '_> {
    type Error = Fault;

    fn is_human_readable(&self) -> bool {
        false
    }

    numbers! {
        deserialize_bool visit_bool bool: [true], [false, true];
        deserialize_i8 visit_i8 i8: [i8::MAX, 1, 0], [i8::MIN, 0, 1];
        deserialize_i16 visit_i16 i16: [i16::MAX, 1, 0], [i16::MIN, 0, 1];
        deserialize_i32 visit_i32 i32: [i32::MAX, 1, 0], [i32::MIN, 0, 1];
        deserialize_i64 visit_i64 i64: [i64::MAX, 1, 0], [i64::MIN, 0, 1];
        deserialize_i128 visit_i128 i128: [i128::MAX, 1, 0], [i128::MIN, 0, 1];
        deserialize_u8 visit_u8 u8: [u8::MAX, 1, 0], [0, 1];
        deserialize_u16 visit_u16 u16: [u16::MAX, 1, 0], [0, 1];
        deserialize_u32 visit_u32 u32: [u32::MAX, 1, 0], [0, 1];
        deserialize_u64 visit_u64 u64: [u64::MAX, 1, 0], [0, 1];
        deserialize_u128 visit_u128 u128: [u128::MAX, 1, 0], [0, 1];
        deserialize_f32 visit_f32 f32: [0.5, 1.0, 0.0], [-0.5, 0.0, 1.0];
        deserialize_f64 visit_f64 f64: [0.5, 1.0, 0.0], [-0.5, 0.0, 1.0];
        deserialize_char visit_char char: ['a', '1'], ['a', '1'];
    }

    fn deserialize_str<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_str(self.string())
    }

    fn deserialize_string<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_string(self.string().to_owned())
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_bytes(self.bytes())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_byte_buf(self.bytes().to_vec())
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.run.note(&self.path, "unit");
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Fault> {
        let kinds = [0, 1, 2, 3, 4, 5];
        match self.choose(ANYTHING, &kinds, &kinds) {
            0 => visitor.visit_unit(),
            1 => visitor.visit_str("sample"),
            2 => visitor.visit_u64(1),
            3 => visitor.visit_bool(true),
            4 => visitor.visit_map(Entries { tracer: &mut self, left: 0 }),
            _ => visitor.visit_seq(Elements { tracer: &mut self, left: 0, at: None }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.run.note(&self.path, OPTIONAL);
        let most = self.run.plan.extreme == Extreme::Most;
        let other = self.run.answer(&format!("{}?", self.path), 2) == 1;
        if most == other || self.run.recurs() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Fault> {
        let mut own = self;
        own.run.enter(name)?;
        let path = own.path.clone();
        let result = visitor.visit_newtype_struct(own.inner(path));
        own.run.leave();
        result
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Fault> {
        let left = self.count("list", &[2, 1, 0, 3, 4, 8, 16, 32], &[0, 1, 2]);
        visitor.visit_seq(Elements { tracer: &mut self, left, at: None })
    }

    fn deserialize_tuple<V: Visitor<'de>>(mut self, len: usize, visitor: V) -> Result<V::Value, Fault> {
        self.run.note(&self.path, &format!("tuple of {len}"));
        visitor.visit_seq(Elements { tracer: &mut self, left: len, at: Some(0) })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.within(name, &format!("tuple of {len}"), |tracer| {
            visitor.visit_seq(Elements { tracer, left: len, at: Some(0) })
        })
    }

    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Fault> {
        let left = self.count("map", &[1, 0], &[0, 1]);
        visitor.visit_map(Entries { tracer: &mut self, left })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.within(name, "struct", |tracer| fields_of(tracer, fields, visitor))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.within(name, "enum", |tracer| {
            let at = tracer.variant(name, variants.len());
            let variant = variants.get(at).ok_or_else(|| Fault::custom("an enum without variants"))?;
            let path = format!("{}::{variant}", tracer.path);
            visitor.visit_enum(Variant { name: variant, tracer: tracer.inner(path) })
        })
    }
}

/// Makes a struct, or the fields of a variant.
fn fields_of<'de, V: Visitor<'de>>(
    tracer: &mut Tracer<'_, '_>,
    fields: &'static [&'static str],
    visitor: V,
) -> Result<V::Value, Fault> {
    let aliases = &tracer.run.plan.aliases;
    let names: Vec<_> = fields.iter().copied().filter(|name| !aliases.contains(&field(&tracer.path, name))).collect();
    let mut given = 0;
    let result = visitor.visit_map(Fields { tracer: &mut *tracer, names: &names, given: &mut given });
    result.map_err(|fault| match fault.repeated {
        // Names of one field stand beside each other, and the error says the main one.
        Some(main) if fault.alias.is_none() => {
            let last = names[..given].iter().rev().find(|name| **name != main);
            Fault { alias: last.map(|name| field(&tracer.path, name)), ..fault }
        }
        _ => fault,
    })
}

struct Fields<'t, 'a, 'p> {
    tracer: &'t mut Tracer<'a, 'p>,
    names: &'t [&'static str],
    given: &'t mut usize,
}

impl<'de> MapAccess<'de> for Fields<'_, '_, '_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some(name) = self.names.get(*self.given) else { return Ok(None) };
        *self.given += 1;
        let key: StrDeserializer<'_, Fault> = (*name).into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let name = self.names[*self.given - 1];
        let path = field(&self.tracer.path, name);
        seed.deserialize(self.tracer.inner(path))
    }
}

struct Entries<'t, 'a, 'p> {
    tracer: &'t mut Tracer<'a, 'p>,
    left: usize,
}

impl<'de> MapAccess<'de> for Entries<'_, '_, '_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let path = format!("{}{{key}}", self.tracer.path);
        seed.deserialize(self.tracer.inner(path)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let path = format!("{}{{}}", self.tracer.path);
        seed.deserialize(self.tracer.inner(path))
    }
}

struct Elements<'t, 'a, 'p> {
    tracer: &'t mut Tracer<'a, 'p>,
    left: usize,
    /// The position, if each has a type of its own.
    at: Option<usize>,
}

impl<'de> SeqAccess<'de> for Elements<'_, '_, '_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let path = match &mut self.at {
            None => format!("{}[]", self.tracer.path),
            Some(at) => {
                *at += 1;
                field(&self.tracer.path, &(*at - 1).to_string())
            }
        };
        seed.deserialize(self.tracer.inner(path)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

struct Variant<'a, 'p> {
    name: &'static str,
    tracer: Tracer<'a, 'p>,
}

impl<'de, 'a, 'p> EnumAccess<'de> for Variant<'a, 'p> {
    type Error = Fault;
    type Variant = Tracer<'a, 'p>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Tracer<'a, 'p>), Fault> {
        let name: StrDeserializer<'_, Fault> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self.tracer))
    }
}

impl<'de> VariantAccess<'de> for Tracer<'_, '_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        self.run.note(&self.path, "unit");
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        mut self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.run.note(&self.path, "struct");
        fields_of(&mut self, fields, visitor)
    }
}
