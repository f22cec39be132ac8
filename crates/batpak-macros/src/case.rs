//! How `rename_all` of serde changes the name of a field.

/// `name`, written in snake case, by a rule of serde; as it is if the rule is unknown, for serde refuses that.
pub(crate) fn rename_field(rule: &str, name: &str) -> String {
    let words = || name.split('_').map(capitalized).collect::<String>();
    match rule {
        "UPPERCASE" | "SCREAMING_SNAKE_CASE" => name.to_ascii_uppercase(),
        "PascalCase" => words(),
        "camelCase" => {
            let pascal = words();
            let first = pascal.chars().next().map_or(0, char::len_utf8);
            pascal[..first].to_ascii_lowercase() + &pascal[first..]
        }
        "kebab-case" => name.replace('_', "-"),
        "SCREAMING-KEBAB-CASE" => name.to_ascii_uppercase().replace('_', "-"),
        _ => name.to_owned(),
    }
}

fn capitalized(word: &str) -> String {
    let first = word.chars().next().map_or(0, char::len_utf8);
    word[..first].to_ascii_uppercase() + &word[first..]
}

#[cfg(test)]
mod tests {
    use super::rename_field;

    #[test]
    fn every_rule_of_serde_is_known() {
        let rules = [
            ("lowercase", "paid_at"),
            ("UPPERCASE", "PAID_AT"),
            ("PascalCase", "PaidAt"),
            ("camelCase", "paidAt"),
            ("snake_case", "paid_at"),
            ("SCREAMING_SNAKE_CASE", "PAID_AT"),
            ("kebab-case", "paid-at"),
            ("SCREAMING-KEBAB-CASE", "PAID-AT"),
        ];
        for (rule, expected) in rules {
            assert_eq!(rename_field(rule, "paid_at"), expected, "{rule}");
        }
    }
}
