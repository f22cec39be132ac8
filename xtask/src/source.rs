//! A source file as tokens: comments and the insides of strings do not count as code.

use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};

use crate::error::Error;

pub(crate) struct Source {
    pub(crate) path: String,
    tokens: Vec<Token>,
}

#[derive(Debug)]
struct Token {
    text: String,
    line: usize,
    is_name: bool,
}

/// `a::b::c`, also as a branch of `use a::{b::c, d}`. A single name is a path of one segment.
#[derive(Debug)]
pub(crate) struct PathUse {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
}

impl Source {
    pub(crate) fn parse(path: String, text: &str) -> Result<Self, Error> {
        let stream: Result<TokenStream, _> = text.parse();
        let stream = stream.map_err(|error| Error::NotRust { path: path.clone(), message: error.to_string() })?;
        let mut tokens = Vec::new();
        flatten(stream, &mut tokens);
        Ok(Self { path, tokens })
    }

    /// Whether these tokens stand anywhere in this order, one after the other.
    pub(crate) fn contains(&self, run: &[&str]) -> bool {
        self.tokens.windows(run.len()).any(|tokens| is_run(tokens, run))
    }

    /// Whether a string literal ends with `end`.
    pub(crate) fn has_text_ending(&self, end: &str) -> bool {
        let mut texts = self.tokens.iter().filter_map(|token| token.text.strip_suffix('"'));
        texts.any(|text| text.ends_with(end))
    }

    pub(crate) fn paths(&self) -> Vec<PathUse> {
        let mut found = Vec::new();
        let mut at = 0;
        while at < self.tokens.len() {
            at = path_tree(&self.tokens, at, &[], &mut found);
        }
        found
    }

    /// The names in each `#![…]`, with its line.
    pub(crate) fn inner_attributes(&self) -> impl Iterator<Item = (usize, Vec<&str>)> {
        let starts = self.tokens.windows(3).enumerate().filter(|(_, tokens)| is_run(tokens, &["#", "!", "["]));
        starts.map(|(at, tokens)| (tokens[0].line, names_up_to_bracket(&self.tokens[at + 3..])))
    }
}

fn names_up_to_bracket(tokens: &[Token]) -> Vec<&str> {
    let inside = tokens.iter().take_while(|token| token.text != "]");
    inside.filter(|token| token.is_name).map(|token| token.text.as_str()).collect()
}

fn is_run(tokens: &[Token], run: &[&str]) -> bool {
    tokens.iter().map(|token| token.text.as_str()).eq(run.iter().copied())
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    let mut trees = stream.into_iter().peekable();
    while let Some(tree) = trees.next() {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group) => flatten_group(&group, tokens),
            TokenTree::Ident(name) => tokens.push(Token { text: name.to_string(), line, is_name: true }),
            TokenTree::Literal(literal) => tokens.push(Token { text: literal.to_string(), line, is_name: false }),
            TokenTree::Punct(mark) if mark.as_char() == ':' && mark.spacing() == Spacing::Joint => {
                trees.next();
                tokens.push(Token { text: "::".to_owned(), line, is_name: false });
            }
            TokenTree::Punct(mark) => tokens.push(Token { text: mark.to_string(), line, is_name: false }),
        }
    }
}

fn flatten_group(group: &Group, tokens: &mut Vec<Token>) {
    let (open, close) = match group.delimiter() {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::None => ("", ""),
    };
    let (first, last) = (group.span_open().start().line, group.span_close().start().line);
    tokens.push(Token { text: open.to_owned(), line: first, is_name: false });
    flatten(group.stream(), tokens);
    tokens.push(Token { text: close.to_owned(), line: last, is_name: false });
}

/// Reads the path at `at`, with every branch of it, and returns where it ends.
fn path_tree(tokens: &[Token], mut at: usize, prefix: &[String], found: &mut Vec<PathUse>) -> usize {
    let line = tokens[at].line;
    let mut segments = prefix.to_vec();
    while let Some(token) = tokens.get(at).filter(|token| token.is_name) {
        segments.push(token.text.clone());
        at += 1;
        if !is_at(tokens, at, "::") {
            break;
        }
        at += 1;
        if is_at(tokens, at, "{") {
            return path_branches(tokens, at + 1, &segments, found);
        }
    }
    if segments.len() == prefix.len() {
        return at + 1;
    }
    found.push(PathUse { segments, line });
    at
}

fn path_branches(tokens: &[Token], mut at: usize, prefix: &[String], found: &mut Vec<PathUse>) -> usize {
    while at < tokens.len() && !is_at(tokens, at, "}") {
        at = path_tree(tokens, at, prefix, found);
    }
    at + 1
}

fn is_at(tokens: &[Token], at: usize, text: &str) -> bool {
    tokens.get(at).is_some_and(|token| token.text == text)
}

#[cfg(test)]
pub(crate) fn sample(path: &str, text: &str) -> Source {
    Source::parse(path.to_owned(), text).expect("the sample is Rust")
}

#[cfg(test)]
mod tests {
    use super::{Source, sample};

    #[track_caller]
    fn check_paths(text: &str, expected: &[(&str, usize)]) {
        let found = sample("sample.rs", text).paths();
        let found: Vec<_> = found.iter().map(|path| (path.segments.join("::"), path.line)).collect();
        let expected: Vec<_> = expected.iter().map(|(path, line)| ((*path).to_owned(), *line)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_path_is_seen_as_written() {
        check_paths("std::fs::read(x)\n.len()", &[("std::fs::read", 1), ("x", 1), ("len", 2)]);
    }

    #[test]
    fn every_branch_of_an_import_is_a_path() {
        let text = "use std::{\n  fs::{self, File},\n  io,\n};\nx";
        let branches = [("std::fs::self", 2), ("std::fs::File", 2), ("std::io", 3), ("x", 5)];
        check_paths(&text.replace("use ", ""), &branches);
    }

    #[test]
    fn a_glob_and_a_turbofish_end_a_path() {
        check_paths("std::fs::*; a::<b::c>()", &[("std::fs", 1), ("a", 1), ("b::c", 1)]);
    }

    #[test]
    fn comments_and_strings_are_no_code() {
        check_paths("// std::fs\n/* std::fs */ \"std::fs\"; b\"std::fs\"; r#\"std::fs\"#; 'a'; x", &[("x", 2)]);
        check_paths("/// std::fs\nx", &[("doc", 1), ("x", 2)]);
    }

    #[test]
    fn tokens_are_found_across_spaces_and_lines() {
        let source = sample("sample.rs", "mod\n  tests ;");
        assert!(source.contains(&["mod", "tests", ";"]));
        assert!(!source.contains(&["mod", ";"]));
    }

    #[test]
    fn only_inner_attributes_are_listed() {
        let source =
            sample("sample.rs", "#![forbid(unsafe_code)]\n#[allow(dead_code)]\n#![cfg_attr(x, no_std)]\nfn f() {}");
        let attributes: Vec<_> = source.inner_attributes().collect();
        assert_eq!(attributes, [(1, vec!["forbid", "unsafe_code"]), (3, vec!["cfg_attr", "x", "no_std"])]);
    }

    #[test]
    fn what_is_not_rust_is_an_error() {
        assert!(Source::parse("sample.rs".to_owned(), "fn f( {").is_err());
    }
}
