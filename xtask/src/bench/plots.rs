//! The plots, as SVG: text stays text, so no fonts are needed to draw them.

use std::error::Error as StdError;
use std::fs;
use std::ops::Range;
use std::path::Path;

use plotters::prelude::*;

use super::figures::{FLOOR, Figures, Row};
use super::lines::{Facts, Role};
use super::text::{rate, time};
use crate::error::Error;

const SIZE: (u32, u32) = (880, 520);
const FONT: (&str, i32) = ("sans-serif", 14);
const COLORS: [RGBColor; 8] = [
    RGBColor(31, 119, 180),
    RGBColor(44, 160, 44),
    RGBColor(148, 103, 189),
    RGBColor(140, 86, 75),
    RGBColor(227, 119, 194),
    RGBColor(23, 160, 180),
    RGBColor(188, 160, 34),
    RGBColor(255, 127, 14),
];

/// A plot whose axes are both logarithmic.
struct Plot<'a> {
    caption: &'a str,
    /// The base of the logarithm, for the marks at the axis.
    x_base: f64,
    show_x: fn(&f64) -> String,
    show_y: fn(&f64) -> String,
    legend: SeriesLabelPosition,
    curves: Vec<Curve<'a>>,
}

struct Curve<'a> {
    name: &'a str,
    color: RGBColor,
    width: u32,
    points: Vec<(f64, f64)>,
}

/// Synced events per second by number of threads.
pub(super) fn throughput_by_threads(figures: &Figures, path: &Path) -> Result<(), Error> {
    let threads = figures.threads("threads-synced");
    let point = |engine: &Facts, threads: u32| {
        let row = Row { threads, ..Row::new("threads-synced") };
        Some((f64::from(threads), figures.figure(row, &engine.engine)?.per_second))
    };
    let curves = curves(figures, |engine| threads.iter().filter_map(|threads| point(engine, *threads)).collect());
    let plot = Plot {
        caption: "events per second, each Synced, by number of threads",
        x_base: 2.0,
        show_x: |threads| format!("{threads:.0}"),
        show_y: |per_second| rate(*per_second),
        legend: SeriesLabelPosition::UpperLeft,
        curves,
    };
    write(&plot, path)
}

/// Latencies of appends at `Written`: the further right, the rarer.
pub(super) fn latency_distribution(figures: &Figures, path: &Path) -> Result<(), Error> {
    let row = Row::new("append-written");
    let curves = curves(figures, |engine| {
        let quantiles = figures.quantiles(row, &engine.engine).into_iter();
        let rarer = quantiles.filter(|(quantile, _)| (0.5..1.0).contains(quantile));
        rarer.map(|(quantile, ns)| (1.0 / (1.0 - quantile), ns)).collect()
    });
    let plot = Plot {
        caption: "latency that one append of so many exceeds: Written, sync every 1000",
        x_base: 10.0,
        show_x: |one_of| format!("1 of {one_of:.0}"),
        show_y: |nanoseconds| time(*nanoseconds),
        legend: SeriesLabelPosition::LowerRight,
        curves,
    };
    write(&plot, path)
}

/// A curve for each engine of which there are points. Ours is thick and red, the floor is black.
fn curves(figures: &Figures, points: impl Fn(&Facts) -> Vec<(f64, f64)>) -> Vec<Curve<'_>> {
    let mut colors = COLORS.iter().cycle();
    let curves = figures.engines().map(|engine| {
        let (color, width) = match engine.role {
            Role::Ours => (RED, 3),
            Role::Floor if engine.engine == FLOOR => (BLACK, 1),
            Role::Floor => (RGBColor(150, 150, 150), 1),
            Role::Upstream | Role::Peer => (colors.next().copied().unwrap_or(BLACK), 1),
        };
        Curve { name: &engine.engine, color, width, points: points(engine) }
    });
    curves.filter(|curve| !curve.points.is_empty()).collect()
}

fn write(plot: &Plot<'_>, path: &Path) -> Result<(), Error> {
    let shown = || path.display().to_string();
    let svg = draw(plot).map_err(|error| Error::Plot { path: shown(), message: error.to_string() })?;
    fs::write(path, svg).map_err(|source| Error::File { path: shown(), source })
}

fn draw(plot: &Plot<'_>) -> Result<String, Box<dyn StdError>> {
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let (x, y) = (range(plot, |point| point.0), range(plot, |point| point.1));
    let mut chart = ChartBuilder::on(&area)
        .caption(plot.caption, ("sans-serif", 18))
        .margin(14)
        .margin_right(40)
        .x_label_area_size(36)
        .y_label_area_size(80)
        .build_cartesian_2d(x.log_scale().base(plot.x_base), y.log_scale())?;
    chart
        .configure_mesh()
        .x_label_formatter(&plot.show_x)
        .y_label_formatter(&plot.show_y)
        .max_light_lines(1)
        .light_line_style(RGBColor(240, 240, 240))
        .label_style(FONT)
        .draw()?;
    for Curve { name, color, width, points } in &plot.curves {
        let style = color.stroke_width(*width);
        let series = LineSeries::new(points.iter().copied(), style).point_size(width + 1);
        let sample = move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style);
        chart.draw_series(series)?.label(*name).legend(sample);
    }
    chart
        .configure_series_labels()
        .position(plot.legend.clone())
        .background_style(WHITE.mix(0.85))
        .border_style(RGBColor(200, 200, 200))
        .label_font(FONT)
        .draw()?;
    area.present()?;
    drop(chart);
    drop(area);
    svg.push('\n');
    Ok(svg)
}

/// From a little below the smallest to a little above the largest.
fn range(plot: &Plot<'_>, of: fn(&(f64, f64)) -> f64) -> Range<f64> {
    let values = || plot.curves.iter().flat_map(|curve| &curve.points).map(of);
    let least = values().reduce(f64::min).unwrap_or(1.0);
    let most = values().reduce(f64::max).unwrap_or(10.0);
    least * 0.9..most * 1.2
}

#[cfg(test)]
mod tests {
    use super::{latency_distribution, throughput_by_threads};
    use crate::bench::figures::Figures;
    use crate::bench::lines::tests::sample;

    #[test]
    fn a_plot_shows_each_engine_that_took_part() {
        let dir = tempfile::tempdir().expect("there is room for a directory");
        let path = dir.path().join("plot.svg");
        throughput_by_threads(&Figures::new(sample()), &path).expect("it can be drawn");
        let svg = std::fs::read_to_string(&path).expect("it was written");
        assert!(svg.starts_with("<svg") && svg.contains("batpak") && !svg.contains("fjall"), "{svg}");
        latency_distribution(&Figures::new(sample()), &path).expect("it can be drawn");
        let svg = std::fs::read_to_string(&path).expect("it was written");
        assert!(svg.contains("fjall") && svg.contains("1 of 1000"), "{svg}");
    }

    #[test]
    fn a_plot_of_nothing_can_be_drawn() {
        let dir = tempfile::tempdir().expect("there is room for a directory");
        throughput_by_threads(&Figures::new(Vec::new()), &dir.path().join("plot.svg")).expect("it can be drawn");
    }
}
