//! Between two ranks: on which track each line turns, so that no two lines share a piece of their way.
//!
//! This is channel routing with one trunk a net; the left-edge algorithm with vertical constraints (Hashimoto and
//! Stevens, <https://doi.org/10.1145/800158.805069>).

/// All lines that leave one item.
#[derive(Debug)]
pub(super) struct Net {
    pub(super) item: usize,
    /// Where they leave.
    pub(super) source: i64,
    /// The items where they arrive, and where there.
    pub(super) targets: Vec<(usize, i64)>,
}

impl Net {
    fn turns(&self) -> bool {
        self.targets.iter().any(|(_, target)| *target != self.source)
    }

    /// What the trunk covers.
    fn span(&self) -> (i64, i64) {
        let ends = || self.targets.iter().map(|(_, target)| *target).chain([self.source]);
        (ends().min().unwrap_or(self.source), ends().max().unwrap_or(self.source))
    }

    /// The order in which nets choose: of those that go on, the last first; of those that go back, the first first.
    /// Then neighbors do not cross without need.
    fn turn(&self) -> (bool, i64) {
        let (low, high) = self.span();
        let goes_on = high - self.source >= self.source - low;
        (goes_on, if goes_on { -self.source } else { self.source })
    }

    /// Whether the way in of this net would run over the way out of the other one, were its track not the later one.
    fn must_follow(&self, other: &Self) -> bool {
        self.over(other).is_some()
    }

    /// The item whose way in is over the way out of the other net.
    fn over(&self, other: &Self) -> Option<usize> {
        let hit = self.targets.iter().find(|(_, target)| self.item != other.item && *target == other.source);
        hit.map(|(item, _)| *item)
    }
}

/// If nets wait for each other in a circle: an item that ends the circle if it moves.
pub(super) fn circle(nets: &[Net]) -> Option<usize> {
    let mut waiting: Vec<&Net> = nets.iter().filter(|net| net.turns()).collect();
    loop {
        let before = waiting.len();
        let free: Vec<usize> = waiting
            .iter()
            .filter(|net| !waiting.iter().any(|other| net.must_follow(other)))
            .map(|net| net.item)
            .collect();
        waiting.retain(|net| !free.contains(&net.item));
        if waiting.len() == before {
            return waiting.iter().find_map(|net| waiting.iter().find_map(|other| net.over(other)));
        }
    }
}

/// The track of each net, `None` for those that go straight; and how many tracks there are.
pub(super) fn assign(nets: &[Net]) -> (Vec<Option<i64>>, i64) {
    let mut waiting: Vec<usize> = (0..nets.len()).filter(|net| nets[*net].turns()).collect();
    waiting.sort_by_key(|net| nets[*net].turn());
    let mut tracks = vec![None; nets.len()];
    let mut taken: Vec<Vec<(i64, i64)>> = Vec::new();
    while !waiting.is_empty() {
        let ready = |net: usize| waiting.iter().all(|other| !nets[net].must_follow(&nets[*other]));
        // Nets that wait for each other in a circle cannot all be served; the first of them goes ahead.
        let position = waiting.iter().position(|net| ready(*net)).unwrap_or(0);
        let net = waiting.remove(position);
        let after =
            (0..nets.len()).filter(|other| nets[net].must_follow(&nets[*other])).filter_map(|other| tracks[other]);
        let first = after.max().map_or(0, |track: i64| track + 1);
        let span = nets[net].span();
        let free = |track: i64| {
            let spans = usize::try_from(track).ok().and_then(|track| taken.get(track));
            spans.is_none_or(|spans| spans.iter().all(|other| span.1 < other.0 || other.1 < span.0))
        };
        let mut track = first;
        while !free(track) {
            track += 1;
        }
        while taken.len() as i64 <= track {
            taken.push(Vec::new());
        }
        if let Some(spans) = usize::try_from(track).ok().and_then(|track| taken.get_mut(track)) {
            spans.push(span);
        }
        tracks[net] = Some(track);
    }
    (tracks, taken.len() as i64)
}
