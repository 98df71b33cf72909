// Surrogates: what stands for the derivative of the step function, with its height and scale from the parameters. All
// arguments are finite.

// x^2 must not overflow: at this x, 2^63, the derivative is that of no height above the least normal float.
const LARGEST: f32 = 9.223372036854775808e18;

fn zero(u: Floats, height: f32, scale: f32) -> Floats {
    return Floats(0.0);
}

// height = k / 2, scale = pi k / 2
fn arc_tan(u: Floats, height: f32, scale: f32) -> Floats {
    let x = clamp(u * scale, Floats(-LARGEST), Floats(LARGEST));
    return height / (1.0 + x * x);
}

// height = 1, scale = k
fn fast_sigmoid(u: Floats, height: f32, scale: f32) -> Floats {
    let y = 1.0 / (1.0 + min(abs(u) * scale, Floats(LARGEST)));
    return height * (y * y);
}

// height = scale = k
fn sigmoid(u: Floats, height: f32, scale: f32) -> Floats {
    let e = exp(-min(abs(u) * scale, Floats(128.0)));
    let y = 1.0 + e;
    return (height * e) / (y * y);
}

// height = scale = 1 / half_width
fn triangle(u: Floats, height: f32, scale: f32) -> Floats {
    return max(Floats(0.0), 1.0 - min(abs(u) * scale, Floats(2.0))) * height;
}

// height = 1 / (2 half_width), scale = half_width
fn boxcar(u: Floats, height: f32, scale: f32) -> Floats {
    return select(Floats(0.0), Floats(height), abs(u) < Floats(scale));
}
