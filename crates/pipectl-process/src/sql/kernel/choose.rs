//! `greatest`, `least`, `nullif`, `BETWEEN`.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_ord::cmp;
use arrow_schema::ArrowError;
use arrow_select::{nullif::nullif, zip::zip};

use super::Kernel;

type Compare = fn(&dyn arrow_array::Datum, &dyn arrow_array::Datum) -> Result<BooleanArray, ArrowError>;

pub(super) fn kernel(name: &str) -> Option<Kernel> {
    match name {
        "greatest" => Some(best(cmp::gt)),
        "least" => Some(best(cmp::lt)),
        "nullif" => Some(Arc::new(|args, rows| {
            let left = args[0].clone().into_array(rows)?;
            let right = args[1].clone().into_array(rows)?;
            let equal = cmp::eq(&left, &right)?;
            Ok(nullif(&left, &equal)?)
        })),
        _ => None,
    }
}

/// `BETWEEN`, three-valued: what one bound refuses is out, whether the other is null or not.
pub(super) fn between(negated: bool) -> Kernel {
    Arc::new(move |args, rows| {
        let value = args[0].clone().into_array(rows)?;
        let low = cmp::gt_eq(&value, &args[1].clone().into_array(rows)?)?;
        let high = cmp::lt_eq(&value, &args[2].clone().into_array(rows)?)?;
        let within = low.iter().zip(high.iter()).map(|sides| match sides {
            (Some(false), _) | (_, Some(false)) => Some(negated),
            (Some(true), Some(true)) => Some(!negated),
            _ => None,
        });
        Ok(Arc::new(within.collect::<BooleanArray>()) as ArrayRef)
    })
}

fn best(better: Compare) -> Kernel {
    Arc::new(move |args, rows| {
        let mut best: Option<ArrayRef> = None;
        for arg in args {
            let next = arg.clone().into_array(rows)?;
            best = Some(match best {
                None => next,
                Some(best) => {
                    let wins = better(&next, &best)?;
                    let take: BooleanArray = (0..rows)
                        .map(|row| next.is_valid(row) && (best.is_null(row) || (wins.is_valid(row) && wins.value(row))))
                        .collect::<Vec<_>>()
                        .into();
                    zip(&take, &next, &best)?
                }
            });
        }
        best.ok_or_else(|| super::bug("no argument"))
    })
}
