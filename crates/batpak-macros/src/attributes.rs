//! `#[batpak(…)]`.

use proc_macro2::Span;
use std::fmt::Display;
use std::str::FromStr;
use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, LitInt, LitStr, Path, Result, Token, parenthesized, parse_quote};

const TYPE_ID_MAX: u16 = 0xFFF;
const CATEGORY_MAX: u8 = 0xF;
const RESERVED: [u8; 2] = [0x0, 0xD];

/// A number, and where it stands.
#[derive(Clone, Copy)]
pub(crate) struct Number<N> {
    pub(crate) value: N,
    pub(crate) span: Span,
}

/// What stands in all `#[batpak(…)]` of an item.
#[derive(Default)]
pub(crate) struct Attributes {
    pub(crate) category: Option<Number<u8>>,
    pub(crate) type_id: Option<Number<u16>>,
    pub(crate) version: Option<Number<u16>>,
    pub(crate) name: Option<LitStr>,
    pub(crate) upcast: Option<Upcast>,
    root: Option<Path>,
    /// Where the attribute stands, if there is one.
    pub(crate) span: Option<Span>,
}

pub(crate) struct Upcast {
    pub(crate) span: Span,
    pub(crate) steps: Vec<Path>,
}

impl Attributes {
    pub(crate) fn parse(attributes: &[Attribute]) -> Result<Self> {
        let mut found = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("batpak")) {
            found.span.get_or_insert(attribute.path().segments[0].ident.span());
            attribute.parse_nested_meta(|meta| found.take(&meta))?;
        }
        Ok(found)
    }

    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        match meta.path.get_ident().map(ToString::to_string).as_deref() {
            Some("category") => once(&mut self.category, meta, category),
            Some("type_id") => once(&mut self.type_id, meta, type_id),
            Some("version") => once(&mut self.version, meta, version),
            Some("name") => once(&mut self.name, meta, name),
            Some("upcast") => once(&mut self.upcast, meta, upcast),
            Some("crate") => once(&mut self.root, meta, |meta| meta.value()?.parse()),
            Some(word) => Err(unknown(meta, word)),
            None => Err(unknown(meta, "a path")),
        }
    }

    /// Where the library is.
    pub(crate) fn root(&self) -> Path {
        self.root.clone().unwrap_or_else(|| parse_quote!(::batpak))
    }
}

fn unknown(meta: &ParseNestedMeta<'_>, word: &str) -> Error {
    meta.error(format!(
        "`{word}` is unknown: `batpak` takes `category`, `type_id`, `version`, `name`, `upcast` and `crate`"
    ))
}

fn once<T>(
    slot: &mut Option<T>,
    meta: &ParseNestedMeta<'_>,
    parse: impl FnOnce(&ParseNestedMeta<'_>) -> Result<T>,
) -> Result<()> {
    if slot.is_some() {
        return Err(meta.error("it is said twice: take one away"));
    }
    *slot = Some(parse(meta)?);
    Ok(())
}

fn number<N: FromStr>(meta: &ParseNestedMeta<'_>, range: &str) -> Result<Number<N>>
where
    N::Err: Display,
{
    let literal: LitInt = meta.value()?.parse()?;
    let value = literal.base10_parse().map_err(|_| Error::new(literal.span(), range))?;
    Ok(Number { value, span: literal.span() })
}

fn category(meta: &ParseNestedMeta<'_>) -> Result<Number<u8>> {
    const RANGE: &str = "a category is 1 to 12, 14 or 15";
    let number: Number<u8> = number(meta, RANGE)?;
    if number.value > CATEGORY_MAX {
        return Err(Error::new(number.span, RANGE));
    }
    if RESERVED.contains(&number.value) {
        return Err(Error::new(number.span, format!("category {} is kept for the store: {RANGE}", number.value)));
    }
    Ok(number)
}

fn type_id(meta: &ParseNestedMeta<'_>) -> Result<Number<u16>> {
    const RANGE: &str = "a type_id is 0 to 4095";
    let number = number(meta, RANGE)?;
    if number.value > TYPE_ID_MAX {
        return Err(Error::new(number.span, RANGE));
    }
    Ok(number)
}

fn version(meta: &ParseNestedMeta<'_>) -> Result<Number<u16>> {
    const RANGE: &str = "a version is 1 to 65535; 0 is what untyped payloads have";
    let number = number(meta, RANGE)?;
    if number.value == 0 {
        return Err(Error::new(number.span, RANGE));
    }
    Ok(number)
}

fn name(meta: &ParseNestedMeta<'_>) -> Result<LitStr> {
    let name: LitStr = meta.value()?.parse()?;
    if name.value().trim().is_empty() || name.value().contains(char::is_control) {
        let message = "a name is shown by tools: one line, not empty, such as \"order.placed\"";
        return Err(Error::new(name.span(), message));
    }
    Ok(name)
}

fn upcast(meta: &ParseNestedMeta<'_>) -> Result<Upcast> {
    let content;
    parenthesized!(content in meta.input);
    let steps = Punctuated::<Path, Token![,]>::parse_terminated(&content)?;
    Ok(Upcast { span: meta.path.segments[0].ident.span(), steps: steps.into_iter().collect() })
}
