//! The measured figures, with their quartiles.

use std::collections::BTreeMap;

/// All figures of one run, by name, and notes for the reader.
#[derive(Debug, Default)]
pub struct Figures {
    figures: BTreeMap<String, Figure>,
    notes: Vec<String>,
}

/// A figure: its median and quartiles.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    pub median: f64,
    pub low: f64,
    pub high: f64,
    pub unit: &'static str,
}

impl Figures {
    /// Adds and prints a figure that was measured several times.
    pub fn add(&mut self, name: impl Into<String>, unit: &'static str, measured: &[f64]) {
        let Some(figure) = Figure::of(measured, unit) else {
            return;
        };
        let name = name.into();
        println!("{name} {} {unit}", plain(figure.median));
        if measured.len() > 1 {
            println!("{name}.quartile1 {} {unit}", plain(figure.low));
            println!("{name}.quartile3 {} {unit}", plain(figure.high));
        }
        self.figures.insert(name, figure);
    }

    /// Adds a note, and prints it as a comment.
    pub fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        println!("# {note}");
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Returns a figure, if it was measured.
    pub fn of(&self, name: &str) -> Option<Figure> {
        self.figures.get(name).copied()
    }

    /// Returns the notes.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns a figure's median, if it was measured.
    pub fn median(&self, name: &str) -> Option<f64> {
        self.of(name).map(|figure| figure.median)
    }

    /// Divides one figure by the other, if both were measured.
    pub fn ratio(&self, one: &str, other: &str) -> Option<f64> {
        let (one, other) = (self.median(one)?, self.median(other)?);
        (other > 0.0).then(|| one / other)
    }
}

impl Figure {
    fn of(measured: &[f64], unit: &'static str) -> Option<Self> {
        let mut sorted = measured.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            median: quantile(&sorted, 0.5)?,
            low: quantile(&sorted, 0.25)?,
            high: quantile(&sorted, 0.75)?,
            unit,
        })
    }
}

/// Returns the value in the middle, or the mean of the two in the middle.
pub fn median(measured: &[f64]) -> Option<f64> {
    Figure::of(measured, "").map(|figure| figure.median)
}

/// Formats a number with three significant digits.
pub fn plain(value: f64) -> String {
    match value.abs() {
        whole if whole.fract() == 0.0 => format!("{value}"),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// Formats a count, such as `1k` or `10M`.
pub fn short(count: usize) -> String {
    match count {
        millions if millions >= 1_000_000 => format!("{}M", millions / 1_000_000),
        thousands if thousands >= 1_000 => format!("{}k", thousands / 1_000),
        few => few.to_string(),
    }
}

/// Returns a quantile of sorted values, interpolated between the two nearest.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    let below = *sorted.get(place.floor() as usize)?;
    let above = *sorted.get(place.ceil() as usize)?;
    Some(below + (above - below) * place.fract())
}
