//! The derive of `batpak`. Depend on `batpak`, which re-exports it with the trait that it implements.
#![forbid(unsafe_code)]

mod attributes;
mod case;
mod enums;
mod fields;
mod kind;
mod output;
mod serde_attributes;
mod structs;

use attributes::Attributes;
use proc_macro::TokenStream;
use syn::{Data, DeriveInput, Error, Result, parse_macro_input};

/// Makes a struct the payload of one kind of events, or an enum that of several: see the trait of the same name.
///
/// # On a struct, or on a variant of an enum
///
/// | `#[batpak(…)]` | |
/// |---|---|
/// | `category = 1` | of the kind, 1 to 15 without 13; for variants it can stand on the enum |
/// | `type_id = 7` | of the kind, 0 to 4095 |
/// | `name = "order.placed"` | what tools show |
/// | `version = 2` | of the payload, raised when stored ones could not be read any more; 1 if it is not said |
/// | `upcast(v1_to_v2, Self::from_v2)` | a function for each older version |
///
/// A variant without these holds one other payload type. `crate = path` on the type says where `batpak` is, if that is
/// not `::batpak`.
#[proc_macro_derive(EventPayload, attributes(batpak))]
pub fn event_payload(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(Error::into_compile_error).into()
}

fn expand(input: &DeriveInput) -> Result<proc_macro2::TokenStream> {
    if !input.generics.params.is_empty() {
        let message = "an event payload has no parameters: name the types, and own the data (`String`, not `&str`)";
        return Err(Error::new_spanned(&input.generics, message));
    }
    let attributes = Attributes::parse(&input.attrs)?;
    let set = match &input.data {
        Data::Struct(data) => structs::read(input, data, &attributes)?,
        Data::Enum(data) => enums::read(input, data, &attributes)?,
        Data::Union(data) => {
            return Err(Error::new(data.union_token.span, "an event payload is a struct or an enum"));
        }
    };
    Ok(output::write(&input.ident, &attributes.root(), &set))
}
