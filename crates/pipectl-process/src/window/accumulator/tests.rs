//! Every accumulator against a plain model: whatever the batches, checkpoints and panes.

use std::{cmp::Ordering, sync::Arc};

use arrow_array::{
    Array, ArrayRef, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
    StringViewArray, TimestampMicrosecondArray,
    cast::AsArray,
    types::{Date32Type, Decimal128Type, Decimal256Type, Float64Type, Int64Type, TimestampMicrosecondType},
};
use arrow_buffer::i256;
use arrow_schema::{DataType as Arrow, TimeUnit};
use proptest::prelude::*;

use super::{Accumulator, Groups, Input, Measure, Place, Quantile};
use crate::window::kind::Kind;

/// A row: its group, whether its filter lets it through, its values as seeds, and its place.
#[derive(Debug, Clone, Copy)]
struct Row {
    group: usize,
    counts: bool,
    value: Option<i64>,
    other: Option<i64>,
    place: Place,
}

#[derive(Debug, Clone)]
enum Step {
    /// Rows for one of two panes.
    Rows(bool, Vec<Row>),
    /// A checkpoint of a pane, which is read and thrown away, or restored in place of the pane.
    Read(bool, bool),
}

const GROUPS: usize = 4;
/// Seeds go from minus this to this.
const MOST: i64 = 20;

fn kinds() -> [Arrow; 8] {
    [
        Arrow::Boolean,
        Arrow::Int64,
        Arrow::Float64,
        Arrow::Date32,
        Arrow::Timestamp(TimeUnit::Microsecond, None),
        Arrow::Decimal128(38, 2),
        Arrow::Utf8View,
        Arrow::BinaryView,
    ]
}

fn int(seed: i64) -> i64 {
    match seed {
        MOST => i64::MAX,
        seed if seed == -MOST => i64::MIN,
        seed => seed * 7,
    }
}

fn decimal(seed: i64) -> i128 {
    // 20 of them have 38 digits.
    i128::from(seed) * 4_999_999_999_999_999_999_999_999_999_999_999_999 + i128::from(seed % 3)
}

fn text(seed: i64) -> String {
    format!("{:05}{}", seed + MOST, "é".repeat(if seed % 2 == 0 { 20 } else { 0 }))
}

/// Values of a type; greater seeds give greater values, or equal ones.
fn array(kind: &Arrow, seeds: &[Option<i64>]) -> ArrayRef {
    let seeds = seeds.iter().copied();
    match kind {
        Arrow::Boolean => Arc::new(seeds.map(|seed| seed.map(|seed| seed > 0)).collect::<BooleanArray>()),
        Arrow::Int64 => Arc::new(seeds.map(|seed| seed.map(int)).collect::<Int64Array>()),
        Arrow::Float64 => Arc::new(seeds.map(|seed| seed.map(|seed| seed as f64 / 8.0)).collect::<Float64Array>()),
        Arrow::Date32 => Arc::new(seeds.map(|seed| seed.map(|seed| seed as i32)).collect::<Date32Array>()),
        Arrow::Timestamp(..) => Arc::new(seeds.collect::<TimestampMicrosecondArray>()),
        Arrow::Decimal128(..) => {
            Arc::new(seeds.map(|seed| seed.map(decimal)).collect::<Decimal128Array>().with_data_type(kind.clone()))
        }
        Arrow::Utf8View => Arc::new(seeds.map(|seed| seed.map(text)).collect::<StringViewArray>()),
        Arrow::BinaryView => Arc::new(
            seeds.map(|seed| seed.map(text)).map(|text| text.map(String::into_bytes)).collect::<BinaryViewArray>(),
        ),
        other => panic!("{other}"),
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Null,
    Bool(bool),
    Int(i256),
    Float(f64),
    Bytes(Vec<u8>),
}

fn cells(column: &ArrayRef) -> Vec<Cell> {
    let cell = |row: usize| {
        if column.is_null(row) {
            return Cell::Null;
        }
        let int = |value: i64| Cell::Int(i256::from_i128(value.into()));
        match column.data_type() {
            Arrow::Boolean => Cell::Bool(column.as_boolean().value(row)),
            Arrow::Int64 => int(column.as_primitive::<Int64Type>().value(row)),
            Arrow::Float64 => Cell::Float(column.as_primitive::<Float64Type>().value(row)),
            Arrow::Date32 => int(column.as_primitive::<Date32Type>().value(row).into()),
            Arrow::Timestamp(..) => int(column.as_primitive::<TimestampMicrosecondType>().value(row)),
            Arrow::Decimal128(..) => Cell::Int(i256::from_i128(column.as_primitive::<Decimal128Type>().value(row))),
            Arrow::Decimal256(..) => Cell::Int(column.as_primitive::<Decimal256Type>().value(row)),
            Arrow::Utf8View => Cell::Bytes(column.as_string_view().value(row).as_bytes().to_vec()),
            Arrow::LargeUtf8 => Cell::Bytes(column.as_string::<i64>().value(row).as_bytes().to_vec()),
            Arrow::BinaryView => Cell::Bytes(column.as_binary_view().value(row).to_vec()),
            other => panic!("{other}"),
        }
    };
    (0..column.len()).map(cell).collect()
}

fn seed_cell(kind: &Arrow, seed: Option<i64>) -> Cell {
    cells(&array(kind, &[seed])).remove(0)
}

/// `number * 10^4 / divisor`, rounded half away from zero.
fn rounded(number: i256, divisor: i64) -> Cell {
    let wide = |value: i64| i256::from_i128(value.into());
    let doubled = number.wrapping_mul(wide(20_000));
    let nudged = doubled.wrapping_add(wide(divisor).wrapping_mul(number.signum()));
    Cell::Int(nudged.wrapping_div(wide(2 * divisor)))
}

/// What an aggregate gives by its definition; `rows` are those of a group that count.
fn model(which: &Kind, kind: &Arrow, distinct: bool, rows: &[Row]) -> Cell {
    let mut present: Vec<i64> = rows.iter().filter_map(|row| row.value).collect();
    if distinct && which.counts_repeats() {
        let mut seen: Vec<Cell> = Vec::new();
        present.retain(|seed| {
            let cell = seed_cell(kind, Some(*seed));
            let new = !seen.contains(&cell);
            seen.push(cell);
            new
        });
    }
    let n = present.len();
    if n == 0 && !matches!(which, Kind::Count) {
        return Cell::Null;
    }
    let eighths = || present.iter().map(|seed| *seed as f64 / 8.0);
    let float_sum: f64 = eighths().sum();
    let decimal_sum = || present.iter().fold(i256::ZERO, |sum, seed| sum.wrapping_add(i256::from_i128(decimal(*seed))));
    let int_sum = || present.iter().map(|seed| i128::from(int(*seed))).sum::<i128>();
    let picked = |row: Option<&Row>| seed_cell(kind, row.and_then(|row| row.value));
    let with_value = || rows.iter().filter(|row| row.value.is_some());
    match which {
        Kind::Count => Cell::Int(i256::from_i128(n as i128)),
        Kind::IntSum => Cell::Int(i256::from_i128(int_sum())),
        Kind::DecimalSum(_) => Cell::Int(decimal_sum()),
        Kind::FloatSum { mean: false } => Cell::Float(float_sum),
        Kind::FloatSum { mean: true } => Cell::Float(float_sum / n as f64),
        Kind::IntMean => Cell::Float(int_sum() as f64 / n as f64),
        Kind::DecimalMean(_) => rounded(decimal_sum(), n as i64),
        Kind::Extreme(_, wanted) => {
            let extreme = if wanted.is_lt() { present.iter().min() } else { present.iter().max() };
            seed_cell(kind, extreme.copied())
        }
        Kind::Moments(Measure { sample, root }) => {
            let divisor = n as f64 - if *sample { 1.0 } else { 0.0 };
            if divisor == 0.0 {
                return Cell::Null;
            }
            let mean = float_sum / n as f64;
            let variance = eighths().map(|value| (value - mean).powi(2)).sum::<f64>() / divisor;
            Cell::Float(if *root { variance.sqrt() } else { variance })
        }
        // Equal places are decided by the values, which seeds order.
        Kind::Pick(_, wanted) => {
            let order = |row: &&Row| (row.place, row.value);
            picked(if wanted.is_lt() { with_value().min_by_key(order) } else { with_value().max_by_key(order) })
        }
        Kind::By([_, other], wanted) => {
            let compare = |a: &&Row, b: &&Row| {
                let by = match other {
                    Arrow::Boolean => a.other.map(|seed| seed > 0).cmp(&b.other.map(|seed| seed > 0)),
                    _ => a.other.cmp(&b.other),
                };
                let by = if wanted.is_lt() { by } else { by.reverse() };
                by.then_with(|| (a.place, a.value).cmp(&(b.place, b.value)))
            };
            picked(with_value().filter(|row| row.other.is_some()).min_by(compare))
        }
        Kind::Quantile(_, Quantile { fraction, continuous }) => {
            present.sort_unstable();
            if !continuous {
                let index = (n as f64 * fraction).ceil() as usize;
                return seed_cell(kind, Some(present[index.max(1) - 1]));
            }
            // Fractions are quarters.
            let at = (n - 1) * (fraction * 4.0) as usize;
            let (low, high) = (present[at / 4], present[(at / 4 + 1).min(n - 1)]);
            let quarters = (at % 4) as i64;
            match kind {
                Arrow::Decimal128(..) => {
                    let [low, high] = [low, high].map(|seed| i256::from_i128(decimal(seed)));
                    let wide = |value: i64| i256::from_i128(value.into());
                    let sum = low.wrapping_mul(wide(4 - quarters)).wrapping_add(high.wrapping_mul(wide(quarters)));
                    rounded(sum, 4)
                }
                Arrow::Int64 => {
                    let sum =
                        i128::from(int(low)) * i128::from(4 - quarters) + i128::from(int(high)) * i128::from(quarters);
                    Cell::Float(sum as f64 / 4.0)
                }
                _ => Cell::Float((low * (4 - quarters) + high * quarters) as f64 / 32.0),
            }
        }
        Kind::Joined { separator, .. } => {
            let mut entries: Vec<(Place, i64)> = with_value().filter_map(|row| Some((row.place, row.value?))).collect();
            entries.sort_unstable();
            if distinct {
                let mut seen = Vec::new();
                entries.retain(|(_, seed)| {
                    !seen.contains(seed) && {
                        seen.push(*seed);
                        true
                    }
                });
            }
            let texts: Vec<String> = entries.iter().map(|(_, seed)| text(*seed)).collect();
            Cell::Bytes(texts.join(separator).into_bytes())
        }
    }
}

fn alike(which: &Kind, a: &Cell, b: &Cell) -> bool {
    match (a, b) {
        // Sums of eighths are exact; the rest depends on the order of its steps, or is rounded more often in the model.
        (Cell::Float(a), Cell::Float(b))
            if !matches!(which, Kind::FloatSum { .. } | Kind::Extreme(..) | Kind::Pick(..)) =>
        {
            (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-3)
        }
        _ => a == b,
    }
}

/// All aggregates of columns of this type.
fn aggregates(kind: &Arrow, other: &Arrow, quarters: i8, distinct: bool) -> Vec<Kind> {
    let fraction = f64::from(quarters) / 4.0;
    let mut all = vec![
        Kind::Count,
        Kind::Extreme(kind.clone(), Ordering::Less),
        Kind::Extreme(kind.clone(), Ordering::Greater),
        Kind::Pick(kind.clone(), Ordering::Less),
        Kind::Pick(kind.clone(), Ordering::Greater),
        Kind::By([kind.clone(), other.clone()], Ordering::Less),
        Kind::By([kind.clone(), other.clone()], Ordering::Greater),
        Kind::Quantile(kind.clone(), Quantile { fraction, continuous: false }),
    ];
    let continuous = Kind::Quantile(kind.clone(), Quantile { fraction, continuous: true });
    match kind {
        Arrow::Int64 => all.extend([Kind::IntSum, Kind::IntMean, continuous]),
        Arrow::Decimal128(_, scale) => {
            all.extend([Kind::DecimalSum(*scale), Kind::DecimalMean(*scale), continuous]);
        }
        Arrow::Float64 => {
            all.extend([Kind::FloatSum { mean: false }, Kind::FloatSum { mean: true }, continuous]);
            for (sample, root) in [(false, false), (false, true), (true, false), (true, true)] {
                all.push(Kind::Moments(Measure { sample, root }));
            }
        }
        Arrow::Utf8View => all.push(Kind::Joined { separator: ", ".to_owned(), distinct }),
        _ => {}
    }
    all
}

/// The groups of the second pane have other numbers.
fn there(group: usize) -> usize {
    GROUPS - 1 - group
}

struct Case<'a> {
    which: &'a Kind,
    kinds: [&'a Arrow; 2],
    distinct: bool,
}

impl Case<'_> {
    fn create(&self) -> Box<dyn Accumulator> {
        self.which.create(self.distinct.then(|| std::slice::from_ref(self.kinds[0]))).unwrap()
    }

    fn update(&self, accumulator: &mut Box<dyn Accumulator>, rows: &[Row], second: bool, filtered: bool) {
        let values: Vec<_> = rows.iter().map(|row| row.value).collect();
        let others: Vec<_> = rows.iter().map(|row| row.other).collect();
        let mut args = vec![array(self.kinds[0], &values)];
        if matches!(self.which, Kind::By(..)) {
            args.push(array(self.kinds[1], &others));
        }
        let groups: Vec<usize> = rows.iter().map(|row| if second { there(row.group) } else { row.group }).collect();
        let filter: BooleanArray = rows.iter().map(|row| Some(row.counts)).collect();
        let places: Vec<Place> = rows.iter().map(|row| row.place).collect();
        let input = Input {
            args: &args,
            groups: &groups,
            filter: filtered.then_some(&filter),
            total: GROUPS,
            places: Some(&places),
        };
        accumulator.update(&input).unwrap();
    }

    fn restored(&self, state: &[ArrayRef], groups: &[usize]) -> Box<dyn Accumulator> {
        let mut new = self.create();
        new.merge(state, groups, GROUPS).unwrap();
        new
    }

    fn run(&self, steps: &[Step], filtered: bool) -> Box<dyn Accumulator> {
        let same: Vec<usize> = (0..GROUPS).collect();
        let mut panes = [self.create(), self.create()];
        // A pane has as many groups as it has seen; here, both have all from the start.
        self.update(&mut panes[0], &[], false, filtered);
        self.update(&mut panes[1], &[], true, filtered);
        for step in steps {
            match step {
                Step::Rows(second, rows) => self.update(&mut panes[usize::from(*second)], rows, *second, filtered),
                Step::Read(second, restores) => {
                    let pane = &mut panes[usize::from(*second)];
                    let state = pane.read(Groups::All(GROUPS)).unwrap();
                    assert_eq!(state, pane.read(Groups::All(GROUPS)).unwrap(), "a second read differs");
                    let results = cells(&pane.evaluate(Groups::All(GROUPS)).unwrap());
                    assert_eq!(results, cells(&pane.evaluate(Groups::All(GROUPS)).unwrap()));
                    if *restores {
                        *pane = self.restored(&state, &same);
                        assert_eq!(results, cells(&pane.evaluate(Groups::All(GROUPS)).unwrap()));
                    }
                }
            }
        }
        let [mut first, second] = panes;
        let before = second.read(Groups::All(GROUPS)).unwrap();
        first.merge(&before, &same.iter().map(|group| there(*group)).collect::<Vec<_>>(), GROUPS).unwrap();
        assert_eq!(before, second.read(Groups::All(GROUPS)).unwrap());
        first
    }

    fn check(&self, steps: &[Step], filtered: bool) {
        let merged = self.run(steps, filtered);
        let results = cells(&merged.evaluate(Groups::All(GROUPS)).unwrap());
        for (group, result) in results.iter().enumerate() {
            let rows: Vec<Row> = steps
                .iter()
                .flat_map(|step| if let Step::Rows(_, rows) = step { rows.as_slice() } else { &[] })
                .filter(|row| row.group == group && (row.counts || !filtered))
                .copied()
                .collect();
            let expected = model(self.which, self.kinds[0], self.distinct, &rows);
            let at = || format!("{} of {:?}, distinct {}", merged.format(), self.kinds, self.distinct);
            assert!(alike(self.which, result, &expected), "{}: {result:?}, not {expected:?}: {rows:?}", at());
        }
        // Some of the groups alone, in another order.
        let some = [3, 1];
        let part = merged.evaluate(Groups::Some(&some)).unwrap();
        assert_eq!(cells(&part), [results[3].clone(), results[1].clone()]);
        assert_eq!(part.data_type(), &self.which.result());
        let state = merged.read(Groups::Some(&some)).unwrap();
        let restored = self.restored(&state, &[2, 0]);
        let again = cells(&restored.evaluate(Groups::Some(&[2, 0])).unwrap());
        assert_eq!(again, [results[3].clone(), results[1].clone()], "{}", merged.format());
        assert!(merged.reads(&restored.format()) && !merged.reads("another/1"));
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let place =
        (0..3_i64, 0..2_u32, 0..4_i64).prop_map(|(time, partition, position)| Place { time, partition, position });
    let seed = || prop::option::weighted(0.85, -MOST..=MOST);
    let row = (0..GROUPS, prop::bool::weighted(0.7), seed(), seed(), place)
        .prop_map(|(group, counts, value, other, place)| Row { group, counts, value, other, place });
    let step = prop_oneof![
        3 => (any::<bool>(), prop::collection::vec(row, 0..20)).prop_map(|(second, rows)| Step::Rows(second, rows)),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(second, restores)| Step::Read(second, restores)),
    ];
    prop::collection::vec(step, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn accumulators_equal_the_model(
        steps in steps(), kind in 0..8_usize, other in 0..8_usize, quarters in 0..=4_i8, filtered: bool, distinct: bool,
    ) {
        let all = kinds();
        let kinds = [&all[kind], &all[other]];
        for which in &aggregates(kinds[0], kinds[1], quarters, distinct) {
            Case { which, kinds, distinct }.check(&steps, filtered);
        }
    }
}
