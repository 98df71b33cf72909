// Whether a packed sequence has no steps.

fn is_empty(n: u32) -> bool {
    let begin = min(lane(load_cu_seqlens(cu_seqlens_at(n, 0u, 0u)), 0u), params.time_total);
    let end = min(lane(load_cu_seqlens(cu_seqlens_at(n, 1u, 0u)), 0u), params.time_total);
    return end <= begin;
}
