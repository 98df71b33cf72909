//! The plot of the loss.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

const INK: RGBColor = RGBColor(26, 32, 44);
const GRID: RGBColor = RGBColor(226, 230, 236);
const LINES: [RGBColor; 4] = [RGBColor(43, 108, 176), RGBColor(176, 24, 70), RGBColor(190, 120, 10), RGBColor(46, 125, 80)];

/// Draws the kernels' curves as lines, and on each, at every tenth step, the oracle's curve as circles.
pub fn draw(path: &Path, kernels: &[Vec<f64>], oracle: &[Vec<f64>]) -> Result<(), Box<dyn Error>> {
    let root = SVGBackend::new(path, (900, 520)).into_drawing_area();
    root.fill(&WHITE)?;
    let all = || kernels.iter().chain(oracle).flatten().copied().filter(|loss| *loss > 0.0);
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
    // Powers of ten alone would leave the axis with one label.
    let key_points = (-9..9).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power))).collect();
    let steps = kernels.iter().map(Vec::len).max().unwrap_or(1) - 1;
    let mut chart = ChartBuilder::on(&root)
        .caption("A student of 8 memory units learns what its teacher remembers", ("sans-serif", 22).into_font().color(&INK))
        .margin(18)
        .x_label_area_size(44)
        .y_label_area_size(66)
        .build_cartesian_2d(0..steps, (low / 1.2..1.2 * high).log_scale().with_key_points(key_points))?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(GRID)
        .axis_style(INK)
        .label_style(("sans-serif", 15).into_font().color(&INK))
        .x_desc("steps of gradient descent")
        .y_desc("mean square of the difference of the states")
        .y_label_formatter(&|loss| format!("{}", *loss as f32))
        .draw()?;
    for (number, (curve, oracle)) in kernels.iter().zip(oracle).enumerate() {
        let colour = LINES[number % LINES.len()];
        chart
            .draw_series(LineSeries::new(curve.iter().copied().enumerate(), colour.stroke_width(2)))?
            .label(format!("seed {}, gradients of the kernels", number + 1))
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 24, y)], colour.stroke_width(2)));
        let circles = oracle.iter().copied().enumerate().step_by(10);
        let drawn = chart.draw_series(circles.map(|point| Circle::new(point, 4, colour.stroke_width(1))))?;
        if number + 1 == kernels.len() {
            drawn
                .label("the same with the sequential loop's gradients")
                .legend(|(x, y)| Circle::new((x + 12, y), 4, INK.stroke_width(1)));
        }
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .margin(12)
        .legend_area_size(34)
        .background_style(WHITE)
        .border_style(GRID)
        .label_font(("sans-serif", 15).into_font().color(&INK))
        .draw()?;
    root.present()?;
    Ok(())
}
