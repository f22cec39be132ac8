//! One kind of events: what `#[batpak(…)]` has to say of it.

use crate::attributes::{Attributes, Number};
use proc_macro2::{Ident, Span};
use syn::{Error, Path, Result};

/// A kind of events and the versions of its payload.
pub(crate) struct Kind {
    pub(crate) category: u8,
    pub(crate) type_id: Number<u16>,
    pub(crate) version: u16,
    pub(crate) name: String,
    pub(crate) name_span: Span,
    pub(crate) fields: Vec<String>,
    /// One from each older version to the next.
    pub(crate) steps: Vec<Path>,
}

impl Kind {
    /// The kind of `item`, a struct or a variant; `category` is that of its enum.
    pub(crate) fn read(
        item: &Ident,
        attributes: &Attributes,
        category: Option<Number<u8>>,
        fields: Vec<String>,
    ) -> Result<Self> {
        let category = attributes.category.or(category);
        let (Some(category), Some(type_id), Some(name)) = (category, attributes.type_id, &attributes.name) else {
            return Err(incomplete(item, attributes, category.is_none()));
        };
        Ok(Self {
            category: category.value,
            type_id,
            version: attributes.version.map_or(1, |version| version.value),
            name: name.value(),
            name_span: name.span(),
            fields,
            steps: steps(item, attributes)?,
        })
    }

    /// As it stands in a record.
    pub(crate) fn number(&self) -> u16 {
        u16::from(self.category) << 12 | self.type_id.value
    }
}

/// What an attribute does not say and has to.
fn incomplete(item: &Ident, attributes: &Attributes, is_without_category: bool) -> Error {
    let needed = [
        ("category", is_without_category, "category = …"),
        ("type_id", attributes.type_id.is_none(), "type_id = …"),
        ("name", attributes.name.is_none(), "name = \"…\""),
    ];
    let missing = || needed.iter().filter(|(_, is_missing, _)| *is_missing);
    let add = missing().map(|(.., add)| *add).collect::<Vec<_>>().join(", ");
    let Some(span) = attributes.span else {
        return Error::new(item.span(), format!("`{item}` has no `#[batpak(…)]`: write `#[batpak({add})]` above it"));
    };
    let what = missing().map(|(what, ..)| format!("no {what}")).collect::<Vec<_>>().join(" and ");
    Error::new(span, format!("`{item}` has {what}: add `{add}` to its `#[batpak(…)]`"))
}

/// The functions from older versions, as many as there are older versions.
fn steps(item: &Ident, attributes: &Attributes) -> Result<Vec<Path>> {
    let version = attributes.version.map_or(1, |version| version.value);
    let older = usize::from(version - 1);
    let (given, upcast_span) = match &attributes.upcast {
        Some(upcast) => (&upcast.steps[..], Some(upcast.span)),
        None => (&[][..], None),
    };
    if given.len() == older {
        return Ok(given.to_vec());
    }
    let version_span = attributes.version.map(|version| version.span);
    let span = upcast_span.or(version_span).unwrap_or_else(|| item.span());
    let message = if given.len() > older {
        let (given, next) = (given.len(), given.len() + 1);
        format!(
            "`{item}` has version {version}, so `upcast` takes {older} functions, not {given}: if the payload has changed, say `version = {next}`"
        )
    } else {
        let missing = given.len() + 1;
        let remedy = remedy(item, version, missing);
        format!("`{item}` has version {version}, and nothing takes version {missing} to {}: {remedy}", missing + 1)
    };
    Err(Error::new(span, message))
}

/// What to write so that the version that is `missing` can be read.
fn remedy(item: &Ident, version: u16, missing: usize) -> String {
    let older = usize::from(version - 1);
    let list: Vec<String> = (1..=older).map(|from| step_name(from, older)).collect();
    let list = list.join(", ");
    if missing == older {
        format!("write `fn from_v{missing}(old: {item}V{missing}) -> Self` and say `upcast({list})`")
    } else {
        let to = missing + 1;
        format!("write `fn v{missing}_to_v{to}(old: {item}V{missing}) -> {item}V{to}` and say `upcast({list})`")
    }
}

fn step_name(from: usize, last: usize) -> String {
    if from == last { format!("Self::from_v{from}") } else { format!("v{from}_to_v{}", from + 1) }
}
