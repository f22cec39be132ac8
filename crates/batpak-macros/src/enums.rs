//! An enum: a kind for each variant, or the kinds of what a variant holds.

use crate::attributes::{Attributes, Number};
use crate::fields::stored_names;
use crate::kind::Kind;
use crate::output::{Inline, Nested, Set};
use crate::serde_attributes::SerdeAttributes;
use syn::{DataEnum, DeriveInput, Error, Fields, Result, Variant};

pub(crate) fn read(input: &DeriveInput, data: &DataEnum, attributes: &Attributes) -> Result<Set> {
    check_container(attributes)?;
    if data.variants.is_empty() {
        let message = "an enum of event payloads has a variant for each kind: this one has none";
        return Err(Error::new(input.ident.span(), message));
    }
    let serde = SerdeAttributes::parse(&input.attrs)?;
    let (mut inline, mut nested) = (Vec::new(), Vec::new());
    let mut errors = Errors::default();
    for (index, variant) in (0..).zip(&data.variants) {
        match read_variant(variant, index, attributes.category, &serde) {
            Ok(Read::Inline(kind)) => inline.push(kind),
            Ok(Read::Nested(variant)) => nested.push(variant),
            Err(error) => errors.add(error),
        }
    }
    errors.add_all(duplicates(&inline));
    if !inline.is_empty() {
        errors.add_all(representation(&serde, data));
    }
    errors.end()?;
    Ok(Set::Enum { inline, nested })
}

/// What belongs to the variants does not stand on the enum.
fn check_container(attributes: &Attributes) -> Result<()> {
    let number = attributes.type_id.or(attributes.version).map(|number| number.span);
    let name = attributes.name.as_ref().map(syn::LitStr::span);
    let upcast = attributes.upcast.as_ref().map(|upcast| upcast.span);
    match number.or(name).or(upcast) {
        Some(span) => Err(Error::new(span, "each variant of an enum has its own: only `category` stands on the enum")),
        None => Ok(()),
    }
}

enum Read {
    Inline(Inline),
    Nested(Nested),
}

fn read_variant(variant: &Variant, index: u32, category: Option<Number<u8>>, serde: &SerdeAttributes) -> Result<Read> {
    let attributes = Attributes::parse(&variant.attrs)?;
    if attributes.span.is_some() {
        let own = SerdeAttributes::parse(&variant.attrs)?;
        let rule = own.rename_all.as_deref().or(serde.rename_all_fields.as_deref());
        let fields = stored_names(&variant.fields, rule)?;
        let kind = Kind::read(&variant.ident, &attributes, category, fields)?;
        return Ok(Read::Inline(Inline { variant: variant.ident.clone(), index, kind }));
    }
    match &variant.fields {
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
            Ok(Read::Nested(Nested { variant: variant.ident.clone(), holds: fields.unnamed[0].ty.clone() }))
        }
        _ => {
            let name = &variant.ident;
            let message = format!(
                "`{name}` has no type_id: add `#[batpak(type_id = …, name = \"…\")]`, or let it hold one type that is an EventPayload"
            );
            Err(Error::new(name.span(), message))
        }
    }
}

/// Variants with the kind or the name of an earlier one.
fn duplicates(inline: &[Inline]) -> Vec<Error> {
    let mut errors = Vec::new();
    for (at, one) in inline.iter().enumerate() {
        if let Some(first) = inline[..at].iter().find(|other| other.kind.number() == one.kind.number()) {
            let Inline { variant, kind, .. } = one;
            let (category, type_id) = (kind.category, kind.type_id.value);
            let message = format!(
                "`{variant}` has the kind of `{}`, category {category} and type_id {type_id}: give it another type_id",
                first.variant
            );
            errors.push(Error::new(kind.type_id.span, message));
        }
        if let Some(first) = inline[..at].iter().find(|other| other.kind.name == one.kind.name) {
            let message = format!("`{}` has the name of `{}`: give it another name", one.variant, first.variant);
            errors.push(Error::new(one.kind.name_span, message));
        }
    }
    errors
}

/// What serde is told that would store something else than the content of a variant.
fn representation(serde: &SerdeAttributes, data: &DataEnum) -> Vec<Error> {
    let mut errors = Vec::new();
    if let Some((word, span)) = serde.find(&["tag", "content", "untagged", "from", "try_from", "into", "remote"]) {
        let message = format!(
            "the kind says which variant it is, and the payload is its content: take `{word}` away from `#[serde(…)]`"
        );
        errors.push(Error::new(*span, message));
    }
    for variant in &data.variants {
        let words = ["skip", "skip_serializing", "skip_deserializing", "other", "untagged"];
        let Ok(serde) = SerdeAttributes::parse(&variant.attrs) else { continue };
        if let Some((word, span)) = serde.find(&words) {
            let name = &variant.ident;
            let message = format!(
                "every variant is a kind, which is stored and read: take `{word}` away from `{name}`, or take `{name}` out of the enum"
            );
            errors.push(Error::new(*span, message));
        }
    }
    errors
}

/// All errors of an enum, told together.
#[derive(Default)]
struct Errors(Option<Error>);

impl Errors {
    fn add(&mut self, error: Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            none => *none = Some(error),
        }
    }

    fn add_all(&mut self, errors: Vec<Error>) {
        for error in errors {
            self.add(error);
        }
    }

    fn end(self) -> Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}
