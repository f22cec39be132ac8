//! A struct: one kind.

use crate::attributes::Attributes;
use crate::fields::stored_names;
use crate::kind::Kind;
use crate::output::Set;
use crate::serde_attributes::SerdeAttributes;
use syn::{DataStruct, DeriveInput, Result};

pub(crate) fn read(input: &DeriveInput, data: &DataStruct, attributes: &Attributes) -> Result<Set> {
    let serde = SerdeAttributes::parse(&input.attrs)?;
    let fields = stored_names(&data.fields, serde.rename_all.as_deref())?;
    Ok(Set::Struct(Kind::read(&input.ident, attributes, None, fields)?))
}
