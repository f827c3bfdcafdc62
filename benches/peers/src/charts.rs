//! The charts.

use std::fs;
use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::contenders::Contender;
use crate::effort::Effort;
use crate::figures::{Figure, Figures, plain};
use crate::{Failure, redis};

const WIDTH: i32 = 760;
const LABELS: i32 = 260;
const VALUES: i32 = 130;
const ROW: i32 = 30;
const TOP: i32 = 50;

const OURS: RGBColor = RGBColor(0x1F, 0x6F, 0xB4);
const BARE: RGBColor = RGBColor(0x8A, 0x8A, 0x8A);
const PEER: RGBColor = RGBColor(0xD9, 0x8A, 0x2B);

/// A chart that was drawn.
#[derive(Clone, Debug)]
pub struct Chart {
    pub file: String,
    pub title: String,
}

/// Draws a chart of each kind of figure that was measured.
pub fn draw(figures: &Figures, effort: Effort, folder: &Path) -> Result<Vec<Chart>, Failure> {
    fs::create_dir_all(folder)?;
    let sizes = effort.sizes();
    let [_, many, most] = &sizes;
    let all = Contender::ALL.map(Contender::id);
    let layers = &all[1..];
    // `*` in a name stands for a contender.
    let named = |name: &str, ids: &[&str]| -> Vec<String> {
        ids.iter().map(|id| name.replace('*', id)).collect()
    };
    let by_size = layers
        .iter()
        .flat_map(|id| sizes.iter().map(move |size| format!("live.{size}.{id}")));
    let memory = [many, most].map(|size| named(&format!("memory.{size}.*.rss"), layers));
    let wanted = [
        (
            "live",
            &*format!("What a live request costs beyond the bare service, {many} sessions"),
            named(&format!("live.{many}.*"), layers),
        ),
        (
            "sessions",
            "What a live request costs, by the number of sessions",
            by_size.collect(),
        ),
        (
            "anonymous",
            "What an anonymous request costs beyond the bare service",
            named(&format!("anonymous.{many}.*"), layers),
        ),
        (
            "threads",
            "Two threads, by the throughput of one",
            named("threads.gain.*", &all),
        ),
        ("memory", "Memory per session (RSS)", memory.concat()),
        (
            "loopback",
            "axum on loopback, 64 connections",
            named("loopback.*", &all),
        ),
        (
            "redis",
            "axum on loopback with Redis behind, 64 connections",
            named("redis.*", &redis::CONTENDERS),
        ),
        (
            "build",
            "Seconds that a clean build takes longer",
            named("build.*.seconds", layers),
        ),
    ];
    let mut charts = Vec::new();
    for (file, title, names) in wanted {
        let bars: Vec<_> = names
            .into_iter()
            .filter_map(|name| Some((figures.of(&name)?, name)))
            .collect();
        if bars.is_empty() {
            continue;
        }
        let (file, title) = (format!("{file}.svg"), title.to_owned());
        bars_to(&folder.join(&file), &title, &bars)
            .map_err(|error| format!("{file} cannot be drawn: {error}"))?;
        charts.push(Chart { file, title });
    }
    Ok(charts)
}

/// Draws a bar for each figure, with a line from quartile to quartile.
fn bars_to(path: &Path, title: &str, bars: &[(Figure, String)]) -> Result<(), Failure> {
    let height = TOP + ROW * i32::try_from(bars.len())? + 15;
    let size = (u32::try_from(WIDTH)?, u32::try_from(height)?);
    let area = SVGBackend::new(path, size).into_drawing_area();
    area.fill(&WHITE)?;
    let text = |size: i32| ("sans-serif", size).into_font().color(&BLACK);
    let left = text(17).pos(Pos::new(HPos::Left, VPos::Center));
    let right = text(17).pos(Pos::new(HPos::Right, VPos::Center));
    area.draw(&Text::new(title.to_owned(), (15, 15), text(21)))?;
    let longest = bars
        .iter()
        .map(|(figure, _)| figure.high)
        .fold(0.0, f64::max);
    let end = |value: f64| {
        // It is not a number if all figures are 0. `max` turns that into 0.
        let share = (value / longest).max(0.0);
        LABELS + (share * f64::from(WIDTH - LABELS - VALUES)) as i32
    };
    let mut y = TOP;
    for (figure, name) in bars {
        let middle = y + ROW / 2;
        area.draw(&Text::new(
            label(name),
            (LABELS - 10, middle),
            right.clone(),
        ))?;
        let bar = [(LABELS, y + 5), (end(figure.median), y + ROW - 5)];
        area.draw(&Rectangle::new(bar, color(name).filled()))?;
        let spread = vec![(end(figure.low), middle), (end(figure.high), middle)];
        area.draw(&PathElement::new(spread, BLACK))?;
        let value = format!("{} {}", plain(figure.median), figure.unit);
        let beside = end(figure.median.max(figure.high)) + 8;
        area.draw(&Text::new(value, (beside, middle), left.clone()))?;
        y += ROW;
    }
    area.present()?;
    Ok(())
}

/// Returns a figure's name without the parts that the title says.
fn label(name: &str) -> String {
    let parts = name.split('.').skip(1);
    let parts = parts.filter(|part| !["gain", "rss", "seconds"].contains(part));
    parts.collect::<Vec<_>>().join(", ")
}

fn color(name: &str) -> RGBColor {
    match name {
        ours if ours.contains("ours") => OURS,
        bare if bare.contains("bare") => BARE,
        _ => PEER,
    }
}
