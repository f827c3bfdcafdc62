//! Draws the charts.

use std::fs;
use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::Failure;
use crate::effort::Effort;
use crate::figures::{Figure, Figures, plain, short};

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

/// Draws what was measured into this folder.
///
/// # Errors
///
/// If a file cannot be written.
pub fn draw(figures: &Figures, effort: Effort, folder: &Path) -> Result<Vec<Chart>, Failure> {
    fs::create_dir_all(folder)?;
    let (few, many, most) = (
        short(effort.few()),
        short(effort.many()),
        short(effort.most()),
    );
    let peers = ["tower-sessions-sliding", "tower-sessions", "axum_session"];
    let of = |before: String, after: &str| -> Vec<String> {
        let ids = ["least", "ours"].into_iter().chain(peers);
        ids.map(|id| format!("{before}.{id}{after}")).collect()
    };
    let with_bare = |before: &str| -> Vec<String> {
        let ids = ["bare", "least", "ours"].into_iter().chain(peers);
        ids.map(|id| format!("{before}.{id}")).collect()
    };
    let mut sizes = vec![
        format!("live.{few}.least"),
        format!("live.{many}.least"),
        format!("live.{few}.ours"),
        format!("live.{many}.ours"),
        format!("live.{most}.ours"),
    ];
    for peer in peers {
        sizes.extend([format!("live.{few}.{peer}"), format!("live.{many}.{peer}")]);
    }
    let memory = [
        of(format!("memory.{many}"), ".rss"),
        of(format!("memory.{most}"), ".rss"),
    ];
    let redis = crate::redis::FIELD.map(|id| format!("redis.{id}"));
    let wanted = [
        (
            "live",
            format!("What a live request costs beyond the bare service, {many} sessions"),
            of(format!("live.{many}"), ""),
        ),
        (
            "sessions",
            "What a live request costs, by the number of sessions".into(),
            sizes,
        ),
        (
            "anonymous",
            "What an anonymous request costs beyond the bare service".into(),
            of(format!("anonymous.{many}"), ""),
        ),
        (
            "threads",
            "Two threads, by the throughput of one".into(),
            with_bare("threads.gain"),
        ),
        ("memory", "Memory per session (RSS)".into(), memory.concat()),
        (
            "loopback",
            "axum on loopback, 64 connections".into(),
            with_bare("loopback"),
        ),
        (
            "redis",
            "axum on loopback with Redis behind, 64 connections".into(),
            redis.to_vec(),
        ),
        (
            "build",
            "Seconds that a clean build takes longer".into(),
            of("build".into(), ".seconds")
                .into_iter()
                .filter(|name| !name.contains("sliding"))
                .collect(),
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
        let file = format!("{file}.svg");
        bars_to(&folder.join(&file), &title, &bars)
            .map_err(|error| format!("{file} cannot be drawn: {error}"))?;
        charts.push(Chart { file, title });
    }
    Ok(charts)
}

/// A bar for each figure, with a line from quartile to quartile.
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
        let share = if longest > 0.0 {
            (value / longest).clamp(0.0, 1.0)
        } else {
            0.0
        };
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

/// A figure's name without what the title says.
fn label(name: &str) -> String {
    let parts = name.split('.').skip(1);
    let parts: Vec<_> = parts
        .filter(|part| !["gain", "rss", "seconds"].contains(part))
        .map(|part| part.trim_start_matches("redis-"))
        .collect();
    parts.join(", ")
}

fn color(name: &str) -> RGBColor {
    match name {
        ours if ours.contains("ours") => OURS,
        bare if bare.contains("bare") => BARE,
        _ => PEER,
    }
}
