//! Numbers and tables as text.

use std::fmt::Write as _;

/// Three digits and a unit.
fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    let unit = units.iter().find(|(size, _)| value >= *size).or(units.last());
    let (size, name) = unit.copied().unwrap_or((1.0, ""));
    let value = value / size;
    let decimals = match value {
        100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    format!("{value:.decimals$} {name}")
}

pub(super) fn rate(events_per_second: f64) -> String {
    scaled(events_per_second, &[(1e6, "M/s"), (1e3, "k/s"), (1.0, "/s")])
}

pub(super) fn time(nanoseconds: f64) -> String {
    scaled(nanoseconds, &[(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")])
}

pub(super) fn bytes(bytes: f64) -> String {
    const KIB: f64 = 1024.0;
    if bytes < KIB {
        return format!("{bytes:.0} B");
    }
    scaled(bytes, &[(KIB * KIB * KIB, "GiB"), (KIB * KIB, "MiB"), (KIB, "KiB")])
}

/// How many, with a comma before every third digit.
pub(super) fn count(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(super) fn ratio(value: f64) -> String {
    let decimals = if value >= 10.0 { 0 } else { 2 };
    format!("{value:.decimals$}")
}

/// What `show` makes of a figure, or a dash.
pub(super) fn or_dash(value: Option<f64>, show: fn(f64) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), show)
}

/// A Markdown table.
pub(super) struct Table {
    text: String,
}

impl Table {
    pub(super) fn new(head: &[&str]) -> Self {
        let mut table = Self { text: String::new() };
        table.row(head.iter().map(|cell| (*cell).to_owned()));
        table.text.push_str(&"|---".repeat(head.len()));
        table.text.push_str("|\n");
        table
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        for cell in cells {
            let _ = write!(self.text, "| {} ", cell.replace('|', "\\|"));
        }
        self.text.push_str("|\n");
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::{Table, bytes, count, rate, ratio, time};

    #[test]
    fn numbers_have_about_three_digits_and_a_unit() {
        let shown =
            [rate(1_234_567.0), rate(326_000.0), rate(9_140.0), rate(12.0), time(83.0), time(1530.0), time(2e9)];
        assert_eq!(shown, ["1.23 M/s", "326 k/s", "9.14 k/s", "12.0 /s", "83.0 ns", "1.53 µs", "2.00 s"]);
        assert_eq!([bytes(270.2), bytes(1536.0), bytes(33.5e6)], ["270 B", "1.50 KiB", "31.9 MiB"]);
        assert_eq!([count(7.0), count(999.0), count(1e6)], ["7", "999", "1,000,000"]);
        assert_eq!([ratio(0.034), ratio(0.95), ratio(2.5), ratio(41.2)], ["0.03", "0.95", "2.50", "41"]);
    }

    #[test]
    fn a_table_is_markdown() {
        let mut table = Table::new(&["a", "b"]);
        table.row(["1".to_owned(), "x|y".to_owned()]);
        assert_eq!(table.finish(), "| a | b |\n|---|---|\n| 1 | x\\|y |\n");
    }
}
