//! Which layer a box stands in, and which edges go back.

use super::Graph;

/// Layer of each box: right of all that call it, but for those that a back edge comes from.
pub(super) fn rank(graph: &Graph<'_>) -> Vec<usize> {
    let places = sequence(graph);
    let place = |one: usize| places.get(one).copied().unwrap_or(0);
    let mut in_order: Vec<usize> = (0..graph.len()).collect();
    in_order.sort_by_key(|one| place(*one));
    let mut ranks = vec![0_usize; graph.len()];
    for one in in_order {
        let right_of = graph
            .callers(one)
            .iter()
            .filter(|caller| place(**caller) < place(one))
            .filter_map(|caller| ranks.get(*caller))
            .max()
            .map_or(0, |rank| rank + 1);
        if let Some(rank) = ranks.get_mut(one) {
            *rank = right_of;
        }
    }
    ranks
}

/// A sequence of the boxes in which few edges go back: take what nobody calls first, what calls nobody last, and
/// between them what stands in the leftmost tier and calls more than it is called (after Eades, Lin and Smyth 1993).
/// Gives the place of each box.
fn sequence(graph: &Graph<'_>) -> Vec<usize> {
    let n = graph.len();
    let mut calls: Vec<usize> = (0..n).map(|one| graph.called(one).len()).collect();
    let mut called: Vec<usize> = (0..n).map(|one| graph.callers(one).len()).collect();
    let mut is_left = vec![true; n];
    let mut places = vec![0; n];
    let (mut first, mut last) = (0, n);
    while first < last {
        let left = || (0..n).filter(|one| is_left.get(*one) == Some(&true));
        let count = |list: &[usize], one: usize| list.get(one).copied().unwrap_or(0);
        let source = left().find(|one| count(&called, *one) == 0);
        let sink = left().find(|one| count(&calls, *one) == 0);
        let (one, is_last) = match (source, sink) {
            (Some(source), _) => (source, false),
            (None, Some(sink)) => (sink, true),
            (None, None) => {
                let tier = |one: usize| graph.boxes.get(one).and_then(|b| b.tier);
                // Those whose tier is not known do not go before those whose is.
                let best = left().min_by_key(|one| {
                    let surplus = count(&calls, *one) as i64 - count(&called, *one) as i64;
                    (tier(*one).unwrap_or(u8::MAX), -surplus, *one)
                });
                match best {
                    Some(best) => (best, false),
                    None => break,
                }
            }
        };
        let place = if is_last {
            last -= 1;
            last
        } else {
            first += 1;
            first - 1
        };
        if let (Some(at), Some(left)) = (places.get_mut(one), is_left.get_mut(one)) {
            *at = place;
            *left = false;
        }
        for other in graph.called(one) {
            lower(&mut called, *other);
        }
        for other in graph.callers(one) {
            lower(&mut calls, *other);
        }
    }
    places
}

fn lower(counts: &mut [usize], at: usize) {
    if let Some(count) = counts.get_mut(at) {
        *count = count.saturating_sub(1);
    }
}
