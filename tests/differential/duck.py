"""Answers queries with DuckDB: a document of tables and queries on standard input, rows as JSON on standard output."""
import json, math, sys
import duckdb

document = json.load(sys.stdin)
# Without the optimizer: it takes what stands in two places out of both, and out of the TRY around them.
duckdb.sql("SET threads = 1; SET TimeZone = 'UTC'; PRAGMA disable_optimizer")
for statement in document["setup"]:
    duckdb.sql(statement)
for number, rows in enumerate(document["tables"]):
    duckdb.sql(
        f"CREATE TABLE t{number} (id BIGINT, i BIGINT, j BIGINT, f DOUBLE, g DOUBLE, s VARCHAR, t VARCHAR, b BOOLEAN,"
        " c BOOLEAN, ts TIMESTAMP, d DATE, p DECIMAL(8, 2), q DECIMAL(8, 2))"
    )
    duckdb.default_connection().executemany(
        f"INSERT INTO t{number} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
    )
answers = []
for query in document["queries"]:
    try:
        rows = duckdb.sql(query).fetchall()
        # JSON has no infinity; what is one is an error of the comparison anyway.
        shown = [[str(v) if isinstance(v, float) and not math.isfinite(v) else v for v in row] for row in rows]
        answers.append({"rows": shown})
    except duckdb.Error as error:
        answers.append({"error": str(error)})
json.dump(answers, sys.stdout)
