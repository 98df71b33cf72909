//! The picture: a bar for each row, from nothing to bytes per second, and a mark for each rival on the same axis.
//!
//! The axis ends where the kernels do. A copy may lie beyond: on a CPU driver it is the host's own, 3 to 10 times as fast as any
//! kernel, and an axis that held it would hide all the rest.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::Row;

const WIDTH: u32 = 1000;
const HEAD: i32 = 128;
const FOOT: i32 = 58;
const LINE: i32 = 26;
/// Width of a letter of a name, about.
const LETTER: i32 = 8;
/// Where bars begin and where the longest mark ends.
const BARS: [i32; 2] = [286, 830];

const INK: RGBColor = RGBColor(26, 32, 44);
const GREY: RGBColor = RGBColor(92, 100, 112);
const GRID: RGBColor = RGBColor(226, 230, 236);
const FORWARD: RGBColor = RGBColor(43, 108, 176);
const BACKWARD: RGBColor = RGBColor(176, 24, 70);
const COPY: RGBColor = RGBColor(214, 150, 30);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Draws rows below each other.
///
/// # Errors
/// If the file cannot be written.
pub fn draw(path: &Path, adapter: &str, rows: &[Row]) -> Result<()> {
    let height = HEAD + LINE * rows.len() as i32 + FOOT;
    // Names of other units are longer.
    let longest = rows.iter().map(|row| label_of(row).chars().count() as i32).max().unwrap_or(0);
    let left = (LETTER * longest - BARS[0] + 24).max(0);
    let root = SVGBackend::new(path, (WIDTH + left as u32, height as u32)).into_drawing_area();
    root.fill(&WHITE)?;
    let root = root.margin(0, 0, left, 0);
    draw_head(&root, adapter)?;
    let rates = |row: &Row| {
        let rivals = [row.rates.naive, row.rates.lampshade].into_iter().flatten();
        let all = rivals.chain([row.rate, row.rates.stream]);
        all.map(|rate| rate.median).fold(0.0, f64::max)
    };
    let axis = Axis::up_to(rows.iter().map(rates).fold(1.0, f64::max));
    draw_axis(&root, &axis, height)?;
    for (number, row) in rows.iter().enumerate() {
        draw_row(&root, &axis, HEAD + LINE * number as i32 + LINE / 2, row)?;
    }
    root.present()?;
    Ok(())
}

/// From bytes per second to pixels.
struct Axis {
    end: f64,
    step: f64,
}

impl Axis {
    /// Steps of 1, 2 or 5 times a power of ten, of which there are no more than ten.
    fn up_to(most: f64) -> Self {
        let power = 10f64.powf((most / 10.0).log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| most / step <= 10.0);
        Self { end: most, step: step.unwrap_or(most) }
    }

    fn x(&self, rate: f64) -> i32 {
        BARS[0] + (rate / self.end * f64::from(BARS[1] - BARS[0])).round() as i32
    }
}

fn font(size: u32, color: RGBColor, style: FontStyle, side: HPos) -> TextStyle<'static> {
    ("sans-serif", size, style).into_font().color(&color).pos(Pos::new(side, VPos::Center))
}

/// Title and legend.
fn draw_head(area: &Area<'_>, adapter: &str) -> Result<()> {
    let text = |at, words: &str, style| area.draw(&Text::new(words.to_owned(), at, style));
    text((22, 26), "How close the unit comes to moving memory and nothing else", font(26, INK, FontStyle::Bold, HPos::Left))?;
    text((22, 56), adapter, font(17, GREY, FontStyle::Normal, HPos::Left))?;
    let y = 94;
    let label = |x, words| text((x, y), words, font(17, INK, FontStyle::Normal, HPos::Left));
    for (x, color) in [(22, FORWARD), (116, BACKWARD)] {
        area.draw(&Rectangle::new([(x, y - 7), (x + 14, y + 7)], color.filled()))?;
    }
    label(42, "forward")?;
    label(136, "backward")?;
    mark_stream(area, 232, y)?;
    label(242, "ceiling: the fastest kernel that only streams")?;
    mark_copy(area, 564, y)?;
    label(576, "copy")?;
    mark_beyond(area, 622, y)?;
    label(634, "(beyond)")?;
    mark_naive(area, 716, y)?;
    label(728, "naive loop")?;
    mark_lampshade(area, 824, y)?;
    label(836, "lampshade's scan")?;
    Ok(())
}

fn draw_axis(area: &Area<'_>, axis: &Axis, height: i32) -> Result<()> {
    let (top, bottom) = (HEAD - 4, height - FOOT + 4);
    let mut at = 0.0;
    while at <= axis.end {
        let x = axis.x(at);
        area.draw(&PathElement::new([(x, top), (x, bottom)], GRID))?;
        let words = if axis.step < 1e9 { format!("{:.1}", at / 1e9) } else { format!("{:.0}", at / 1e9) };
        area.draw(&Text::new(words, (x, bottom + 14), font(16, GREY, FontStyle::Normal, HPos::Center)))?;
        at += axis.step;
    }
    let words = "GB/s, every tensor counted once";
    let middle = ((BARS[0] + BARS[1]) / 2, bottom + 36);
    area.draw(&Text::new(words, middle, font(16, INK, FontStyle::Normal, HPos::Center)))?;
    Ok(())
}

fn draw_row(area: &Area<'_>, axis: &Axis, y: i32, row: &Row) -> Result<()> {
    let color = match row.group.direction {
        bmru::Direction::Backward | bmru::Direction::Health(_) => BACKWARD,
        _ => FORWARD,
    };
    area.draw(&Text::new(label_of(row), (BARS[0] - 12, y), font(16, INK, FontStyle::Normal, HPos::Right)))?;
    area.draw(&Rectangle::new([(BARS[0], y - 7), (axis.x(row.rate.median), y + 7)], color.filled()))?;
    if row.rates.copy.median <= axis.end {
        mark_copy(area, axis.x(row.rates.copy.median), y)?;
    } else {
        mark_beyond(area, BARS[1] + 6, y)?;
    }
    if let Some(naive) = row.rates.naive {
        mark_naive(area, axis.x(naive.median), y)?;
    }
    if let Some(lampshade) = row.rates.lampshade {
        mark_lampshade(area, axis.x(lampshade.median), y)?;
    }
    mark_stream(area, axis.x(row.rates.stream.median), y)?;
    let (words, color) = match (row.is_void(), row.cached) {
        (true, _) => ("void: unsteady".to_owned(), GREY),
        (_, true) => (format!("{:.0} %, in cache", 100.0 * row.of.stream.median), GREY),
        _ => (format!("{:.0} % of ceiling", 100.0 * row.of.stream.median), color),
    };
    area.draw(&Text::new(words, (BARS[1] + 22, y), font(16, color, FontStyle::Bold, HPos::Left)))?;
    Ok(())
}

/// The name without its pass, which the colour tells.
fn label_of(row: &Row) -> String {
    let name = row.name.split_once('/').map_or(&row.name[..], |(_, name)| name);
    let (shape, rest) = name.split_once('/').unwrap_or((name, ""));
    format!("{}, {}", shape.replace('x', " × "), rest.replace('/', ", "))
}

fn mark_stream(area: &Area<'_>, x: i32, y: i32) -> Result<()> {
    Ok(area.draw(&Rectangle::new([(x - 1, y - 11), (x + 2, y + 11)], INK.filled()))?)
}

fn mark_copy(area: &Area<'_>, x: i32, y: i32) -> Result<()> {
    Ok(area.draw(&Polygon::new([(x - 6, y), (x, y - 6), (x + 6, y), (x, y + 6)], COPY.filled()))?)
}

fn mark_beyond(area: &Area<'_>, x: i32, y: i32) -> Result<()> {
    Ok(area.draw(&Polygon::new([(x - 4, y - 6), (x + 6, y), (x - 4, y + 6)], COPY.filled()))?)
}

fn mark_naive(area: &Area<'_>, x: i32, y: i32) -> Result<()> {
    area.draw(&Circle::new((x, y), 5, WHITE.filled()))?;
    Ok(area.draw(&Circle::new((x, y), 5, INK.stroke_width(2)))?)
}

fn mark_lampshade(area: &Area<'_>, x: i32, y: i32) -> Result<()> {
    let corners = [(x - 5, y + 5), (x + 5, y + 5), (x, y - 6), (x - 5, y + 5)];
    area.draw(&Polygon::new(corners, WHITE.filled()))?;
    Ok(area.draw(&PathElement::new(corners, INK.stroke_width(2)))?)
}
