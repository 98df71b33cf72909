//! Tests that need no GPU: the oracle against tables written by hand, plans against arithmetic of their own and twins of the
//! stages, WGSL against naga.

mod limits;
mod numbers;
mod oracle;
mod plan;
mod shader;
mod time_order;
