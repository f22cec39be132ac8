//! The names of fields, as they are stored.

use crate::case::rename_field;
use crate::serde_attributes::SerdeAttributes;
use syn::ext::IdentExt;
use syn::{Field, Fields, Result};

/// Those of a struct or variant with named fields; none of others, and none of what is flattened.
pub(crate) fn stored_names(fields: &Fields, rename_all: Option<&str>) -> Result<Vec<String>> {
    let mut names = Vec::new();
    if let Fields::Named(fields) = fields {
        for field in &fields.named {
            names.extend(stored_name(field, rename_all)?);
        }
    }
    Ok(names)
}

fn stored_name(field: &Field, rename_all: Option<&str>) -> Result<Option<String>> {
    let serde = SerdeAttributes::parse(&field.attrs)?;
    let Some(ident) = &field.ident else { return Ok(None) };
    if serde.find(&["skip", "skip_serializing", "flatten"]).is_some() {
        return Ok(None);
    }
    let name = ident.unraw().to_string();
    let renamed = || rename_all.map_or_else(|| name.clone(), |rule| rename_field(rule, &name));
    Ok(Some(serde.rename.clone().unwrap_or_else(renamed)))
}
