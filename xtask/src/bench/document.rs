//! The written document and the figures in it: between `<!-- figures: NAME -->` and `<!-- end of figures -->` stands
//! what the last run measured, all else is written by hand and stays.

const BEGIN: &str = "<!-- figures: ";
const BEGIN_END: &str = " -->\n";
const END: &str = "<!-- end of figures -->";

/// A table and the name of its place.
pub(super) struct Filling {
    pub(super) name: &'static str,
    pub(super) text: String,
}

/// Puts each of `fillings` in its place.
///
/// # Errors
/// In words: a place that is not closed, or that nothing goes into; a filling without a place.
pub(super) fn fill(document: &str, fillings: &[Filling]) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = document;
    let mut names = Vec::new();
    while let Some(at) = rest.find(BEGIN) {
        let (name, behind) = rest[at + BEGIN.len()..]
            .split_once(BEGIN_END)
            .ok_or_else(|| format!("a line that begins with `{BEGIN}` does not end with `-->`"))?;
        let filling = fillings.iter().find(|filling| filling.name == name);
        let filling = filling.ok_or_else(|| format!("there are no figures `{name}`"))?;
        let end = behind.find(END).ok_or_else(|| format!("`{END}` is missing behind `{name}`"))?;
        if behind[..end].contains(BEGIN) {
            return Err(format!("`{END}` is missing behind `{name}`"));
        }
        filled.push_str(&rest[..at]);
        filled.extend([BEGIN, name, BEGIN_END, "\n", &filling.text, "\n", END]);
        names.push(name);
        rest = &behind[end + END.len()..];
    }
    filled.push_str(rest);
    match fillings.iter().find(|filling| !names.contains(&filling.name)) {
        Some(filling) => Err(format!("there is no place `{BEGIN}{} -->`", filling.name)),
        None => Ok(filled),
    }
}

#[cfg(test)]
mod tests {
    use super::{Filling, fill};

    fn filling(name: &'static str, text: &str) -> Filling {
        Filling { name, text: text.to_owned() }
    }

    const DOCUMENT: &str = "# Title\n\nwords\n\n<!-- figures: a -->\n<!-- end of figures -->\n\nmore words\n";

    #[test]
    fn what_is_written_by_hand_stays_and_filling_again_replaces() {
        let once = fill(DOCUMENT, &[filling("a", "| 1 |\n")]).unwrap();
        assert_eq!(once, "# Title\n\nwords\n\n<!-- figures: a -->\n\n| 1 |\n\n<!-- end of figures -->\n\nmore words\n");
        let twice = fill(&once, &[filling("a", "| 2 |\n")]).unwrap();
        assert_eq!(twice, once.replace('1', "2"));
    }

    #[track_caller]
    fn check_refused(document: &str, names: &[&'static str], message: &str) {
        let fillings: Vec<_> = names.iter().map(|name| filling(name, "")).collect();
        assert_eq!(fill(document, &fillings).unwrap_err(), message);
    }

    #[test]
    fn figures_without_a_place_and_places_without_figures_are_refused() {
        check_refused(DOCUMENT, &["a", "b"], "there is no place `<!-- figures: b -->`");
        check_refused(DOCUMENT, &["b"], "there are no figures `a`");
        check_refused("<!-- figures: a -->\n", &["a"], "`<!-- end of figures -->` is missing behind `a`");
        let nested = "<!-- figures: a -->\n<!-- figures: b -->\n<!-- end of figures -->";
        check_refused(nested, &["a", "b"], "`<!-- end of figures -->` is missing behind `a`");
    }
}
