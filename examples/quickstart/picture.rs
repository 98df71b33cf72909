//! The picture: input, bistable region and memory, one panel for each channel.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const SIZE: (u32, u32) = (1000, 820);
const HEAD: u32 = 108;
/// What the last panel's time axis takes.
const FOOT: u32 = 40;
const LEFT: i32 = 22;

const INK: RGBColor = RGBColor(26, 32, 44);
const GREY: RGBColor = RGBColor(92, 100, 112);
const GRID: RGBColor = RGBColor(226, 230, 236);
const INPUT: RGBColor = RGBColor(43, 108, 176);
const REGION: RGBColor = RGBColor(253, 230, 178);
const EDGE: RGBColor = RGBColor(214, 150, 30);
const STATE: RGBColor = RGBColor(176, 24, 70);

/// One channel of one recording.
pub struct Panel {
    pub channel: &'static str,
    pub candidate: Vec<f32>,
    pub threshold: Vec<f32>,
    pub states: Vec<f32>,
}

impl Panel {
    fn sets(&self) -> Vec<usize> {
        (0..self.candidate.len()).filter(|&t| self.candidate[t].abs() > self.threshold[t].abs()).collect()
    }

    fn highest(&self) -> f64 {
        let all = self.candidate.iter().chain(&self.threshold).chain(&self.states);
        f64::from(all.fold(0.0f32, |high, value| high.max(value.abs())))
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Draws `panels` below each other. `step` is in seconds.
pub fn draw(path: &Path, subtitle: &str, step: f64, panels: &[Panel]) -> Result<()> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, mut rest) = root.split_vertically(HEAD);
    draw_head(&head, subtitle)?;
    let height = (SIZE.1 - HEAD - FOOT) / panels.len() as u32;
    for (number, panel) in panels.iter().enumerate() {
        let foot = if number + 1 == panels.len() { FOOT } else { 0 };
        let (area, below) = rest.split_vertically(height + foot);
        draw_panel(&area, panel, step, foot)?;
        rest = below;
    }
    root.present()?;
    Ok(())
}

fn font(size: u32, color: RGBColor, style: FontStyle, side: HPos) -> TextStyle<'static> {
    ("sans-serif", size, style).into_font().color(&color).pos(Pos::new(side, VPos::Center))
}

/// Title and legend.
fn draw_head(area: &Area<'_>, subtitle: &str) -> Result<()> {
    let text = |at, words: &str, style| area.draw(&Text::new(words.to_owned(), at, style));
    text((LEFT, 26), "Input, bistable region, memory", font(26, INK, FontStyle::Bold, HPos::Left))?;
    text((LEFT, 54), subtitle, font(17, GREY, FontStyle::Normal, HPos::Left))?;

    let y = 88;
    let label = |x, words| text((x, y), words, font(17, INK, FontStyle::Normal, HPos::Left));
    let line = |x, y, style: ShapeStyle| area.draw(&PathElement::new([(x, y), (x + 34, y)], style));
    line(LEFT, y, INPUT.stroke_width(2))?;
    label(64, "input c")?;
    area.draw(&Rectangle::new([(152, y - 9), (186, y + 9)], REGION.filled()))?;
    line(152, y - 9, EDGE.stroke_width(1))?;
    line(152, y + 9, EDGE.stroke_width(1))?;
    label(194, "bistable region, |c| ≤ β: hold")?;
    area.draw(&Circle::new((474, y), 4, INPUT.filled()))?;
    label(486, "|c| > β: set the state to ±α")?;
    line(746, y, STATE.stroke_width(3))?;
    label(788, "state h: the memory")?;
    Ok(())
}

fn draw_panel(area: &Area<'_>, panel: &Panel, step: f64, foot: u32) -> Result<()> {
    let (steps, sets) = (panel.candidate.len(), panel.sets());
    let at = |t: usize| t as f64 * step;
    let end = at(steps);
    let high = 1.1 * panel.highest();
    let caption = format!("set at {} of {steps} steps", sets.len());
    area.draw(&Text::new(panel.channel, (66, 16), font(18, INK, FontStyle::Bold, HPos::Left)))?;
    area.draw(&Text::new(caption, (SIZE.0 as i32 - 26, 16), font(16, GREY, FontStyle::Normal, HPos::Right)))?;

    let mut chart = ChartBuilder::on(area)
        .margin_left(14)
        .margin_right(26)
        .margin_top(30)
        .y_label_area_size(52)
        .x_label_area_size(10 + foot)
        .build_cartesian_2d(0.0..end, -high..high)?;
    let last = foot > 0;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(GREY)
        .label_style(("sans-serif", 16).into_font().color(&GREY))
        .axis_desc_style(("sans-serif", 16).into_font().color(&INK))
        .x_labels(11)
        .y_labels(5)
        .x_desc(if last { "seconds" } else { "" })
        .y_desc("c, h [rms]")
        .x_label_formatter(&|seconds| if last { format!("{seconds:.0}") } else { String::new() })
        .y_label_formatter(&|value| if *value == 0.0 { "0".to_owned() } else { format!("{value:+.0}") })
        .draw()?;

    let along = |values: &[f32], sign: f64| -> Vec<(f64, f64)> {
        values.iter().enumerate().map(|(t, &value)| (at(t), sign * f64::from(value))).collect()
    };
    let edges = [along(&panel.threshold, 1.0), along(&panel.threshold, -1.0)];
    let outline: Vec<_> = edges[0].iter().chain(edges[1].iter().rev()).copied().collect();
    chart.draw_series([Polygon::new(outline, REGION.filled())])?;
    for edge in edges {
        chart.draw_series(LineSeries::new(edge, EDGE.stroke_width(1)))?;
    }
    // A state lasts until the next step.
    let states = panel.states.iter().enumerate().flat_map(|(t, &h)| [(at(t), f64::from(h)), (at(t + 1), f64::from(h))]);
    chart.draw_series(LineSeries::new(states, STATE.stroke_width(3)))?;
    chart.draw_series(LineSeries::new(along(&panel.candidate, 1.0), INPUT.stroke_width(2)))?;
    chart.draw_series(sets.iter().map(|&t| Circle::new((at(t), f64::from(panel.candidate[t])), 4, INPUT.filled())))?;

    // The longest hold. Its label lies beyond the state, where no input is while the unit holds.
    let holds = sets.iter().zip(sets.iter().skip(1).chain([&steps]));
    if let Some((&from, &to)) = holds.max_by_key(|&(from, to)| to - from) {
        let state = f64::from(panel.states[from]);
        let middle = ((at(from) + at(to)) / 2.0, state + 0.15 * high * state.signum());
        let label = format!("holds {:.1} s", at(to - from));
        chart.draw_series([Text::new(label, middle, font(16, STATE, FontStyle::Normal, HPos::Center))])?;
    }
    Ok(())
}
