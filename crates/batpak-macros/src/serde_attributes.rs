//! What `#[serde(…)]` says of how a payload is stored.

use proc_macro2::{Span, TokenStream};
use syn::meta::ParseNestedMeta;
use syn::{Attribute, Expr, LitStr, Result, Token, token};

/// What stands in all `#[serde(…)]` of an item.
#[derive(Default)]
pub(crate) struct SerdeAttributes {
    pub(crate) rename: Option<String>,
    pub(crate) rename_all: Option<String>,
    pub(crate) rename_all_fields: Option<String>,
    /// Every word, and where it stands.
    words: Vec<(String, Span)>,
}

impl SerdeAttributes {
    pub(crate) fn parse(attributes: &[Attribute]) -> Result<Self> {
        let mut found = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
            attribute.parse_nested_meta(|meta| found.take(&meta))?;
        }
        Ok(found)
    }

    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let Some(word) = meta.path.get_ident() else { return skip(meta) };
        let (name, span) = (word.to_string(), word.span());
        match name.as_str() {
            "rename" => stored_name(&mut self.rename, meta)?,
            "rename_all" => stored_name(&mut self.rename_all, meta)?,
            "rename_all_fields" => stored_name(&mut self.rename_all_fields, meta)?,
            _ => skip(meta)?,
        }
        self.words.push((name, span));
        Ok(())
    }

    /// The first of these words that stands there.
    pub(crate) fn find(&self, words: &[&str]) -> Option<&(String, Span)> {
        self.words.iter().find(|(word, _)| words.contains(&word.as_str()))
    }
}

/// `= "name"` or `(serialize = "name", deserialize = "other")`: the one that is written counts.
fn stored_name(slot: &mut Option<String>, meta: &ParseNestedMeta<'_>) -> Result<()> {
    if meta.input.peek(Token![=]) {
        *slot = Some(meta.value()?.parse::<LitStr>()?.value());
        return Ok(());
    }
    meta.parse_nested_meta(|inner| {
        let name = inner.value()?.parse::<LitStr>()?.value();
        if inner.path.is_ident("serialize") {
            *slot = Some(name);
        }
        Ok(())
    })
}

/// Goes over what belongs to a word, if anything.
fn skip(meta: &ParseNestedMeta<'_>) -> Result<()> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<Expr>()?;
    } else if meta.input.peek(token::Paren) {
        let content;
        syn::parenthesized!(content in meta.input);
        content.parse::<TokenStream>()?;
    }
    Ok(())
}
