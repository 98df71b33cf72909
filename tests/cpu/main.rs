//! Tests that need no GPU: the oracle against tables written by hand, plans against arithmetic of their own and twins of the
//! stages, WGSL against naga.

mod combinations;
mod element;
mod health;
mod limits;
mod numbers;
mod oracle;
mod packed;
mod passages;
mod plan;
mod quirks;
mod saved;
mod sequences;
mod shader;
mod summaries;
mod texts;
mod time_order;
