//! The implementation of the trait.

use crate::kind::Kind;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Path, Type};

/// What a type is the payload of.
pub(crate) enum Set {
    Struct(Kind),
    Enum { inline: Vec<Inline>, nested: Vec<Nested> },
}

/// A variant that is a kind itself.
pub(crate) struct Inline {
    pub(crate) variant: Ident,
    /// Its position in the enum.
    pub(crate) index: u32,
    pub(crate) kind: Kind,
}

/// A variant that holds another payload type.
pub(crate) struct Nested {
    pub(crate) variant: Ident,
    pub(crate) holds: Type,
}

/// Errors stand at `span`, and names mean what they mean where the derive stands: the type may come from a macro.
fn at(span: Span) -> Span {
    span.resolved_at(Span::call_site())
}

/// What is written of a type: `root` is the path of the library.
struct Writer<'a> {
    name: &'a Ident,
    root: &'a Path,
}

pub(crate) fn write(name: &Ident, root: &Path, set: &Set) -> TokenStream {
    Writer { name, root }.whole(set)
}

/// The bodies of the methods, for each kind and each nested type.
#[derive(Default)]
struct Bodies {
    info_of_value: Vec<TokenStream>,
    write: Vec<TokenStream>,
    info_of_kind: Vec<TokenStream>,
    read: Vec<TokenStream>,
    or_info_of: Vec<TokenStream>,
    or_read: Vec<TokenStream>,
    /// Lists of kinds, and how many each has.
    lists: Vec<TokenStream>,
    lens: Vec<TokenStream>,
}

impl Writer<'_> {
    fn whole(&self, set: &Set) -> TokenStream {
        let Self { name, root } = self;
        let (bodies, asserts) = match set {
            Set::Struct(kind) => (self.of_struct(kind), TokenStream::new()),
            Set::Enum { inline, nested } => (self.of_enum(inline, nested), self.asserts(inline, nested)),
        };
        let Bodies { info_of_value, write, info_of_kind, read, or_info_of, or_read, lists, lens } = bodies;
        quote! {
            #[automatically_derived]
            impl #root::EventPayload for #name {
                const KINDS: &'static [#root::KindInfo] = &#root::derived::join::<{ #(#lens)+* }>(&[#(#lists),*]);

                const KIND_LIST: &'static [#root::EventKind] =
                    &#root::derived::kinds::<{ #(#lens)+* }>(<Self as #root::EventPayload>::KINDS);

                fn kind_info(&self) -> &'static #root::KindInfo {
                    match self { #(#info_of_value)* }
                }

                fn info_of(kind: #root::EventKind) -> ::core::option::Option<&'static #root::KindInfo> {
                    match kind.as_u16() { #(#info_of_kind)* _ => {} }
                    #(#or_info_of)*
                    ::core::option::Option::None
                }

                fn write_to<S: #root::derived::serde::Serializer>(
                    &self,
                    to: S,
                ) -> ::core::result::Result<S::Ok, S::Error> {
                    match self { #(#write)* }
                }

                fn read_from<'de, D: #root::derived::serde::Deserializer<'de>>(
                    kind: #root::EventKind,
                    version: u16,
                    from: D,
                ) -> ::core::result::Result<Self, D::Error> {
                    let _ = version;
                    match kind.as_u16() { #(#read)* _ => {} }
                    #(#or_read)*
                    ::core::result::Result::Err(#root::derived::other_kind(kind))
                }
            }
            #asserts
        }
    }

    fn of_struct(&self, kind: &Kind) -> Bodies {
        let (name, root) = (self.name, self.root);
        let mut bodies = Bodies::default();
        let newest = quote_spanned! { at(name.span()) =>
            <Self as #root::derived::serde::Deserialize<'de>>::deserialize(from)
        };
        self.add_kind(&mut bodies, kind, &quote!(_), &newest);
        bodies
            .write
            .push(quote_spanned! { at(name.span()) => _ => #root::derived::serde::Serialize::serialize(self, to), });
        self.add_list(&mut bodies, [kind]);
        bodies
    }

    fn of_enum(&self, inline: &[Inline], nested: &[Nested]) -> Bodies {
        let (name, root) = (self.name, self.root);
        let mut bodies = Bodies::default();
        for Inline { variant, index, kind } in inline {
            let newest = quote_spanned! { at(name.span()) => #root::derived::read_variant::<Self, D>(#index, from) };
            self.add_kind(&mut bodies, kind, &quote!(Self::#variant { .. }), &newest);
        }
        for Nested { variant, holds } in nested {
            let payload = quote_spanned! { at(holds.span()) => <#holds as #root::EventPayload> };
            bodies.info_of_value.push(quote!(Self::#variant(payload) => #payload::kind_info(payload),));
            bodies.write.push(quote!(Self::#variant(payload) => #payload::write_to(payload, to),));
            bodies.or_info_of.push(quote! {
                if let ::core::option::Option::Some(info) = #payload::info_of(kind) {
                    return ::core::option::Option::Some(info);
                }
            });
            bodies.or_read.push(quote! {
                if #payload::info_of(kind).is_some() {
                    return #payload::read_from(kind, version, from).map(Self::#variant);
                }
            });
            bodies.lists.push(quote!(#payload::KINDS));
            bodies.lens.push(quote!(#payload::KINDS.len()));
        }
        if !inline.is_empty() {
            bodies.write.push(quote_spanned! { at(name.span()) => _ => #root::derived::write_variant(self, to), });
            self.add_list(&mut bodies, inline.iter().map(|inline| &inline.kind));
        }
        bodies
    }

    /// What is there for each kind: `pattern` is that of its values, `newest` reads the newest version.
    fn add_kind(&self, bodies: &mut Bodies, kind: &Kind, pattern: &TokenStream, newest: &TokenStream) {
        let (root, number, info) = (self.root, kind.number(), self.info(kind));
        let info = quote!({ const INFO: &#root::KindInfo = &#info; INFO });
        let read = self.read_any_version(kind, newest);
        bodies.info_of_value.push(quote!(#pattern => #info,));
        bodies.info_of_kind.push(quote!(#number => return ::core::option::Option::Some(#info),));
        bodies.read.push(quote!(#number => return #read,));
    }

    fn add_list<'k>(&self, bodies: &mut Bodies, kinds: impl IntoIterator<Item = &'k Kind>) {
        let infos: Vec<_> = kinds.into_iter().map(|kind| self.info(kind)).collect();
        let len = infos.len();
        bodies.lists.push(quote!(&[#(#infos),*]));
        bodies.lens.push(quote!(#len));
    }

    fn info(&self, kind: &Kind) -> TokenStream {
        let root = self.root;
        let Kind { category, type_id, version, name, fields, .. } = kind;
        let type_id = type_id.value;
        quote! {
            #root::KindInfo {
                kind: #root::EventKind::custom(#category, #type_id),
                version: #version,
                name: #name,
                fields: &[#(#fields),*],
            }
        }
    }

    /// Reads by version: an older one takes the step from it and all that follow.
    fn read_any_version(&self, kind: &Kind, newest: &TokenStream) -> TokenStream {
        if kind.steps.is_empty() {
            return newest.clone();
        }
        let root = self.root;
        let last = kind.steps.len() - 1;
        // Bound to a name, so that an error about its type stands at the step alone.
        let bound = kind.steps.iter().enumerate().map(|(position, step)| {
            let span = at(step.span());
            let leads_to = if position == last { quote_spanned!(span => Self) } else { quote_spanned!(span => _) };
            quote_spanned!(span => { let step: fn(_) -> #leads_to = #step; step })
        });
        let steps: Vec<_> = bound.collect();
        let older = steps.iter().enumerate().map(|(position, first)| {
            let version = u16::try_from(position + 1).unwrap_or(u16::MAX);
            let read = steps[position + 1..].iter().fold(
                quote!(#root::derived::upcast(from, #first)),
                |read, step| quote!(#root::derived::further(#read, #step)),
            );
            quote!(#version => #read,)
        });
        quote!(match version { #(#older)* _ => #newest })
    }

    /// No two variants that are not compared yet have a kind or a name in common.
    fn asserts(&self, inline: &[Inline], nested: &[Nested]) -> TokenStream {
        let root = self.root;
        let infos = inline.iter().map(|inline| self.info(&inline.kind));
        let inline_list = quote!(&[#(#infos),*]);
        let all = nested.iter().enumerate().map(|(position, Nested { variant, holds })| {
            let own = quote!(<#holds as #root::EventPayload>::KINDS);
            let earlier = nested[..position].iter().map(|earlier| {
                let (name, holds) = (&earlier.variant, &earlier.holds);
                (format!("`{name}`"), quote!(<#holds as #root::EventPayload>::KINDS))
            });
            let own_variants = (!inline.is_empty()).then(|| ("another variant".to_owned(), inline_list.clone()));
            earlier
                .chain(own_variants)
                .map(|(other, list)| {
                    let message = format!(
                        "`{variant}` has a kind or a name of {other}: give one of them another type_id and name"
                    );
                    quote_spanned! { at(variant.span()) =>
                        const _: () = ::core::assert!(#root::derived::are_disjoint(#own, #list), #message);
                    }
                })
                .collect::<TokenStream>()
        });
        all.collect()
    }
}
