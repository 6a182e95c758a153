//! Where DuckDB means something else, and how a query is written for it instead. What `PostgreSQL` means decides; where
//! pipectl differs from that too, `docs/generated/functions.md` says so.

/// A macro of DuckDB's with pipectl's meaning, and why it is needed.
pub(crate) struct Known {
    pub(crate) sql: &'static str,
    pub(crate) why: &'static str,
}

pub(crate) const KNOWN: &[Known] = &[
    Known {
        sql: "idiv(a, b) AS CASE WHEN b = 0 AND a IS NOT NULL THEN CAST(concat('zero', a) AS BIGINT) ELSE a // b END",
        why: "DuckDB divides whole numbers as floats, and by zero gives null; PostgreSQL cuts, and fails",
    },
    Known {
        sql: "imod(a, b) AS CASE WHEN b = 0 AND a IS NOT NULL THEN CAST(concat('zero', a) AS BIGINT)
              WHEN b = -1 THEN a - a ELSE a % b END",
        why: "the remainder by zero is null in DuckDB, a fault in PostgreSQL; that of the least number by -1 is 0 there",
    },
    Known {
        sql: "fin(x) AS CASE WHEN x IS NULL OR isfinite(x) THEN x ELSE CAST(concat('out of range', x) AS DOUBLE) END",
        why: "DuckDB goes on with infinity and NaN; PostgreSQL fails when a result is out of range",
    },
    Known {
        sql: "fdiv(a, b) AS CASE WHEN b = 0 AND a IS NOT NULL THEN CAST(concat('zero', a) AS DOUBLE) ELSE fin(a / b) END",
        why: "division of floats by zero is null in DuckDB",
    },
    Known {
        sql: "fmod_(a, b) AS CASE WHEN b = 0 AND a IS NOT NULL THEN CAST(concat('zero', a) AS DOUBLE) ELSE fin(a % b) END",
        why: "the remainder by zero is null or NaN in DuckDB",
    },
    Known {
        sql: "strict_int(x) AS CASE WHEN regexp_full_match(trim(x), '[+-]?[0-9]+') THEN TRY_CAST(trim(x) AS BIGINT) END",
        why: "DuckDB rounds '1.5' to a whole number; PostgreSQL refuses it",
    },
    Known {
        sql: "pg_substr(x, start, n) AS CASE WHEN start + n <= 1 THEN left(x, 0 * n)
              ELSE substr(x, greatest(start, 1), start + n - greatest(start, 1)) END",
        why: "DuckDB counts positions below 1 from the end; PostgreSQL counts them as before the first character",
    },
    Known {
        sql: "first_match(x) AS CASE WHEN regexp_matches(x, '[b-z]+') THEN regexp_extract(x, '[b-z]+') END",
        why: "without a match DuckDB gives an empty text; PostgreSQL's substring gives null",
    },
    Known {
        sql: "in_years(x) AS CASE WHEN x IS NULL OR year(x) BETWEEN 0 AND 9999 THEN x
              ELSE CAST(concat('out of range', x) AS TIMESTAMP) END",
        why: "DuckDB's times reach beyond year 9999, those of pipectl do not: they could not be read again",
    },
    Known {
        sql: "floor_by(x, n) AS (x - ((x % n + n) % n)) // n",
        why: "DuckDB's epoch_ms and epoch cut towards zero or are floats; pipectl rounds down",
    },
    Known { sql: "epoch_ms_(x) AS floor_by(epoch_us(x), 1000)", why: "as floor_by" },
    Known { sql: "epoch_s_(x) AS floor_by(epoch_us(x), 1000000)", why: "as floor_by" },
];
