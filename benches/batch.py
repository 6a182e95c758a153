"""The two jobs in a batch engine: batch.py ENGINE JOB INPUT OUTPUT, or batch.py ENGINE version.

Each engine keeps its defaults, threads included; the columns' types are declared, as pipectl's are.
"""

import sys

COLUMNS = {
    "sensor_id": "VARCHAR",
    "timestamp": "TIMESTAMP",
    "temperature": "DOUBLE",
    "humidity": "DOUBLE",
    "pressure": "DOUBLE",
}

WARM = 'SELECT sensor_id, "timestamp", temperature FROM readings WHERE temperature > 25'

PER_MINUTE = """
    SELECT sensor_id, {minute} AS window_start,
           avg(temperature) AS avg_temperature, min(temperature) AS min_temperature,
           max(temperature) AS max_temperature, avg(humidity) AS avg_humidity
    FROM readings GROUP BY 1, 2
"""


def duckdb(job, source, target):
    import duckdb

    minute = "time_bucket(INTERVAL '1 minute', \"timestamp\")"
    query = WARM if job == "j1" else PER_MINUTE.format(minute=minute)
    readings = f"read_json('{source}', format='newline_delimited', columns={COLUMNS})"
    duckdb.sql(f"COPY (WITH readings AS (SELECT * FROM {readings}) {query}) TO '{target}' (FORMAT JSON)")


def datafusion(job, source, target):
    import datafusion
    import pyarrow

    text, number = pyarrow.string(), pyarrow.float64()
    time = pyarrow.timestamp("us")
    types = {"VARCHAR": text, "TIMESTAMP": time, "DOUBLE": number}
    schema = pyarrow.schema([(name, types[kind]) for name, kind in COLUMNS.items()])
    context = datafusion.SessionContext()
    context.register_json("readings", source, schema=schema, file_extension=".jsonl")
    minute = "date_bin(INTERVAL '1 minute', \"timestamp\", TIMESTAMP '1970-01-01')"
    query = WARM if job == "j1" else PER_MINUTE.format(minute=minute)
    context.sql(query).write_json(target)


def main(engine, job, *files):
    if job == "version":
        from importlib.metadata import version

        print(version(engine))
    else:
        {"duckdb": duckdb, "datafusion": datafusion}[engine](job, *files)


main(*sys.argv[1:])
