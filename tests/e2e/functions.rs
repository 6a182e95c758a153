//! User code through the whole program: what it gives, what it fails at, and whatever a function can do to its process.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use serde_json::{Value, json};

use crate::support::{Lab, chance::Probability, lab::edit, wait};

/// A pipeline with one function over `orders.jsonl`.
fn spec(options: &str) -> String {
    format!(
        r"
apiVersion: pipectl/v1
kind: Pipeline
metadata: {{ name: orders }}
spec:
  checkpoint: {{ every: 100ms }}
  sources:
    orders:
      file: {{ path: 'orders*.jsonl' }}
      schema: {{ id: int64!, user: string!, price: 'decimal(10, 2)', at: timestamp! }}
      time: {{ field: at }}
  processors:
    scored: {{ from: orders, function: {{ file: score.py, {options} }} }}
  sinks:
    out: {{ from: scored, file: {{ path: out.jsonl }} }}
"
    )
}

/// Orders of two users, a second apart.
fn orders(numbers: std::ops::Range<u32>) -> String {
    let line = |number: u32| {
        let user = if number.is_multiple_of(3) { "bea" } else { "ann" };
        let (minute, second) = (number / 60 % 60, number % 60);
        let time = format!("2026-03-01T10:{minute:02}:{second:02}Z");
        format!("{{\"id\":{number},\"user\":\"{user}\",\"price\":{number}.50,\"at\":\"{time}\"}}\n")
    };
    numbers.map(line).collect()
}

fn lab(options: &str, function: &str, count: u32) -> Lab {
    let lab = Lab::new();
    lab.write("orders.yaml", spec(options));
    lab.write("score.py", function);
    lab.write("orders.jsonl", orders(1..count + 1));
    lab
}

fn json_lines(path: PathBuf) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn rows(lab: &Lab) -> Vec<Value> {
    json_lines(lab.path("out.jsonl"))
}

fn ids(rows: &[Value]) -> Vec<i64> {
    rows.iter().filter_map(|row| row["id"].as_i64()).collect()
}

/// The dead letters: the id of the record, and why.
fn dead(lab: &Lab) -> BTreeMap<i64, String> {
    let mut dead = BTreeMap::new();
    for letter in json_lines(lab.path("out/orders/dead-letters.jsonl")) {
        assert_eq!(letter["reason"], "function", "{letter}");
        let record: Value = serde_json::from_str(letter["payload"].as_str().expect("the record")).expect("JSON");
        dead.insert(record["id"].as_i64().expect("an id"), letter["message"].as_str().expect("why").to_owned());
    }
    dead
}

#[test]
fn a_function_adds_columns_drops_records_and_makes_several() {
    let function = "
import datetime, decimal

def process(record):
    assert isinstance(record['price'], decimal.Decimal) and isinstance(record['at'], datetime.datetime)
    if record['id'] % 5 == 0:
        return None
    if record['id'] % 5 == 1:
        return [{'part': 1, 'vat': record['price'] * decimal.Decimal('0.2')}, {'part': 2, 'vat': None}]
    return {**record, 'part': 0, 'vat': decimal.Decimal('1.25')}
";
    let lab = lab("returns: { part: int64!, vat: 'decimal(12, 3)' }, keep: [id, at]", function, 10);
    let run = lab.run(&["apply", "orders.yaml"]).code(0);
    let rows = rows(&lab);
    assert_eq!(ids(&rows), [1, 1, 2, 3, 4, 6, 6, 7, 8, 9]);
    assert_eq!(rows[0], json!({ "id": 1, "at": "2026-03-01T10:00:01Z", "part": 1, "vat": 0.300 }));
    assert_eq!(rows[1]["vat"], Value::Null);
    assert!(run.stderr.contains("scored"), "{}", run.stderr);
}

#[test]
fn a_batch_function_gets_lists_and_only_the_record_at_fault_is_a_dead_letter() {
    let function = "
def process_batch(records):
    return [{'ratio': 10 / (r['id'] - 7)} for r in records]
";
    let lab = lab("shape: batch, returns: { ratio: float64! }", function, 5000);
    lab.run(&["apply", "orders.yaml"]).code(0);
    let expected: Vec<i64> = (1..=5000).filter(|id| *id != 7).collect();
    assert_eq!(ids(&rows(&lab)), expected);
    let dead = dead(&lab);
    assert_eq!(dead.keys().collect::<Vec<_>>(), [&7]);
    let message = &dead[&7];
    assert!(message.starts_with("ZeroDivisionError: division by zero\nTraceback"), "{message}");
    assert!(message.contains("score.py\", line 3, in process_batch"), "{message}");
}

/// Whatever a function does at one record, that record is a dead letter, and every other one comes out, in order.
#[test]
fn a_faulty_function_loses_nothing() {
    let faults = [
        ("raise ValueError('no')", "ValueError: no"),
        ("exit(3)", "SystemExit: 3"),
        ("import os; os._exit(7)", "the worker exited with code 7"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "the worker was ended by signal 11"),
        ("import time; time.sleep(60)", "took longer than `timeout: 3s`"),
        ("while True: pass", "took longer than `timeout: 3s`"),
        ("x = [bytes(range(256)) * 4096 for _ in range(400)]", "used more than `memory: 128MiB`"),
        ("import os; os.closerange(0, 100)", "the worker"),
        ("return 7", "`process` returned a value of type int"),
        ("return {'scor': 1}", "the function returned a field 'scor', which `returns` does not name"),
        ("return {'score': 'high'}", "the result does not fit `returns`: field `score`"),
        ("return {'score': float('nan')}", "ValueError: Out of range float values are not JSON compliant"),
        ("return {'score': 1, 'user': 'eve'}", "the function changes `user`, which `returns` does not name"),
        ("return {'score': None}", "the result does not fit `returns`: field `score`"),
        ("def deep(): deep()\n        deep()", "RecursionError"),
    ];
    for (fault, expected) in faults {
        let function = format!(
            "
def process(record):
    if record['id'] == 4:
        {fault}
    return {{'score': record['id'] * 2}}
"
        );
        let lab = lab("returns: { score: int64! }, timeout: 3s, memory: 128MiB", &function, 30);
        lab.run(&["apply", "orders.yaml"]).code(0);
        let whole: Vec<i64> = (1..=30).filter(|id| *id != 4).collect();
        assert_eq!(ids(&rows(&lab)), whole, "{fault}");
        let dead = dead(&lab);
        assert_eq!(dead.keys().collect::<Vec<_>>(), [&4], "{fault}");
        assert!(dead[&4].contains(expected), "{fault}: {}", dead[&4]);
    }
}

#[test]
fn prints_and_copies_of_the_process_do_no_harm() {
    let function = "
import os, subprocess, sys

print('loaded')

def process(record):
    print('seen', record['id'])
    sys.stdout.buffer.write(b'\\x00\\x00\\x00\\x00e')
    os.write(1, b'\\x05\\x00\\x00\\x00d')
    sys.stdin.read(1)
    subprocess.run(['true'])
    os.fork()
    return {'score': 1}
";
    let lab = lab("returns: { score: int64! }", function, 20);
    let run = lab.run(&["apply", "orders.yaml"]).code(0);
    assert_eq!(ids(&rows(&lab)), (1..=20).collect::<Vec<_>>());
    assert!(dead(&lab).is_empty());
    assert!(run.stderr.contains("seen 20"), "{}", run.stderr);
}

#[test]
fn what_cannot_run_is_said_at_once() {
    let fails = |options: &str, function: &str| {
        let lab = lab(options, function, 30);
        let run = lab.run(&["apply", "orders.yaml"]).code(3);
        assert!(rows(&lab).is_empty());
        run.stderr.clone()
    };
    let good = "def process(record): return {'score': 1}\n";
    let text = fails("returns: { score: int64! }", "def process(record)\n    return 1\n");
    assert!(text.contains("SyntaxError") && text.contains("score.py"), "{text}");
    let text = fails("returns: { score: int64! }", "import no_such_module\n");
    assert!(text.contains("ModuleNotFoundError: No module named 'no_such_module'"), "{text}");
    let text = fails("handler: scores, returns: { score: int64! }", good);
    assert!(text.contains("score.py has no function `scores`; it has `process`"), "{text}");
    let text = fails("python: no-such-python, returns: { score: int64! }", good);
    assert!(text.contains("cannot start `no-such-python`") && text.contains("`python`"), "{text}");
    let text = fails("returns: { score: int64! }", "import os\nos._exit(9)\n");
    assert!(text.contains("the worker exited with code 9"), "{text}");
    let text = fails("returns: { score: int64! }", "import os\ndef process(record): os._exit(9)\n");
    assert!(text.contains("exited with code 9"), "{text}");
    let lab = lab("returns: { score: int64! }", good, 3);
    fs::remove_file(lab.path("score.py")).expect("it is there");
    let text = lab.run(&["apply", "orders.yaml"]).code(1).stderr;
    assert!(text.contains("no file `score.py`") && text.contains("orders.yaml:13"), "{text}");
}

const COUNTING: &str = "
import datetime

def process(record, context):
    state = context.state
    state['n'] = state.get('n', 0) + 1
    state.setdefault('ids', []).append(record['id'])
    if record['id'] == 8:
        raise ValueError('changes nothing')
    if record['id'] == 11:
        import os
        os._exit(1)
    return {'n': state['n'], 'seen': str(state['ids'][-2:]), 'who': context.key[0]}
";

#[test]
fn state_of_each_key_is_kept_over_faults_and_runs() {
    let options = "key: [user], returns: { n: int64!, seen: string!, who: string! }";
    let whole = lab(options, COUNTING, 40);
    whole.run(&["apply", "orders.yaml"]).code(0);
    let expected = rows(&whole);
    let ann: Vec<i64> = expected.iter().filter(|row| row["who"] == "ann").filter_map(|row| row["n"].as_i64()).collect();
    assert_eq!(ann, (1..=ann.len() as i64).collect::<Vec<_>>());
    assert_eq!(dead(&whole).into_keys().collect::<Vec<_>>(), [8, 11]);
    let of_12 = expected.iter().find(|row| row["id"] == 12).expect("bea");
    assert_eq!((&of_12["n"], &of_12["seen"]), (&json!(4), &json!("[9, 12]")));
    // The same records in three runs.
    let parts = lab(options, COUNTING, 5);
    parts.run(&["apply", "orders.yaml"]).code(0);
    for (number, range) in [6..21, 21..41].into_iter().enumerate() {
        parts.write(&format!("orders-{number}.jsonl"), orders(range));
        parts.run(&["apply", "orders.yaml"]).code(0);
    }
    let sorted = |mut rows: Vec<Value>| {
        rows.sort_by_key(|row| row["id"].as_i64());
        rows
    };
    assert_eq!(sorted(rows(&parts)), sorted(expected));
}

/// The same pipeline with a function in JavaScript.
fn node_lab(options: &str, function: &str, count: u32) -> Lab {
    let lab = lab(options, "", count);
    lab.write("orders.yaml", spec(options).replace("score.py", "score.mjs"));
    lab.write("score.mjs", function);
    lab
}

#[test]
fn javascript_functions_do_the_same() {
    let function = "
let calls = 0;
export async function process(record, context) {
  console.log('seen', record.id);
  calls += 1;
  if (typeof record.price !== 'string' || typeof record.at !== 'string') throw new Error('types');
  const state = context.state;
  state.n = (state.n ?? 0) + 1;
  if (record.id === 4) throw new RangeError('no');
  if (record.id === 5) globalThis.process.exit(7);
  if (record.id === 6) { for (;;); }
  if (record.id === 7) return { big: 1.5, part: 1 };
  if (record.id === 8) return null;
  if (record.id === 10) return [{ big: 1, part: 1 }, { big: null, part: 2 }];
  return { ...record, big: 9007199254740993n * BigInt(record.id), part: state.n };
}
";
    let options = "returns: { big: int64, part: int64! }, key: [user], keep: [id, user, price], timeout: 3s";
    let lab = node_lab(options, function, 12);
    let run = lab.run(&["apply", "orders.yaml"]).code(0);
    let mut found = rows(&lab);
    found.sort_by_key(|row| (row["id"].as_i64(), row["part"].as_i64()));
    assert_eq!(ids(&found), [1, 2, 3, 9, 10, 10, 11, 12]);
    assert_eq!(found[1]["big"], json!(9_007_199_254_740_993_i64 * 2));
    // Of bea: 3, then 9 and 12, since 6 never ended.
    assert_eq!((&found[7]["part"], &found[7]["price"]), (&json!(3), &json!(12.50)));
    let dead = dead(&lab);
    assert_eq!(dead.keys().collect::<Vec<_>>(), [&4, &5, &6, &7]);
    assert!(dead[&4].starts_with("RangeError: no\n") && dead[&4].contains("score.mjs:9:"), "{}", dead[&4]);
    assert!(dead[&5].contains("exited with code 7"), "{}", dead[&5]);
    assert!(dead[&6].contains("took longer than `timeout: 3s`"), "{}", dead[&6]);
    assert!(dead[&7].contains("field `big`"), "{}", dead[&7]);
    assert!(run.stderr.contains("seen 12"), "{}", run.stderr);
}

#[test]
fn javascript_batches() {
    let batches = "
export async function process_batch(records) {
  if (records.some((record) => record.id === 17)) throw new Error('seventeen');
  return records.map((record) => ({ twice: record.id * 2 }));
}
";
    let lab = node_lab("shape: batch, returns: { twice: int64! }", batches, 200);
    lab.run(&["apply", "orders.yaml"]).code(0);
    assert_eq!(ids(&rows(&lab)), (1..=200).filter(|id| *id != 17).collect::<Vec<_>>());
    assert_eq!(dead(&lab).into_keys().collect::<Vec<_>>(), [17]);
}

/// A function as a sink over the same orders.
fn sink_lab(file: &str, options: &str, function: &str, count: u32) -> Lab {
    let lab = lab("", function, count);
    let sink = format!("    out: {{ from: orders, function: {{ file: {file}, {options} }} }}\n");
    let whole = spec("");
    let (before, _) = whole.split_once("  processors:").expect("processors");
    lab.write("orders.yaml", format!("{before}  sinks:\n{sink}"));
    lab.write(file, function);
    lab
}

/// The handler of a course on Kinesis, as it is.
const HANDLER: &str = "
import json

def lambda_handler(event, context):
    for record in event['Records']:
        payload = json.loads(record['kinesis']['data'])
        print(f\"order {payload['id']} of {payload['user']}\")
";

#[test]
fn a_handler_of_aws_lambda_runs_as_it_is() {
    let lab = sink_lab("handler.py", "shape: lambda_kinesis, data: text", HANDLER, 250);
    let run = lab.run(&["apply", "orders.yaml"]).code(0);
    let printed: Vec<&str> = run.stderr.lines().filter(|line| line.contains(" of bea")).collect();
    assert_eq!(printed.len(), 83, "{}", run.stderr);
    assert!(run.stderr.contains("order 250 of ann") && run.stderr.contains("calls of handler.py"), "{}", run.stderr);
    // As the service sends it, the payload is base64, which this handler cannot read: each record is a dead letter.
    let lab = sink_lab("handler.py", "shape: lambda_kinesis", HANDLER, 5);
    lab.run(&["apply", "orders.yaml"]).code(0);
    let letters = json_lines(lab.path("out/orders/dead-letters.jsonl"));
    assert_eq!(letters.len(), 5);
    assert!(letters[0]["message"].as_str().expect("why").starts_with("json.decoder.JSONDecodeError"), "{}", letters[0]);
    assert!(letters[0]["message"].as_str().expect("why").contains("handler.py\", line 6"), "{}", letters[0]);
}

#[test]
fn batch_item_failures_are_called_again_from_the_lowest_on() {
    let python = "
import base64, json
calls = {}

def lambda_handler(event, context):
    assert len(event['Records']) <= 10 and context.get_remaining_time_in_millis() > 1000
    failures = []
    for record in event['Records']:
        data = json.loads(base64.b64decode(record['kinesis']['data']))
        calls[data['id']] = calls.get(data['id'], 0) + 1
        open('calls.txt', 'a').write(f\"{data['id']} {record['kinesis']['sequenceNumber']}\\n\")
        if data['id'] == 13 or (data['id'] == 17 and calls[17] < 5):
            failures.append({'itemIdentifier': record['kinesis']['sequenceNumber']})
    event['Records'].clear()
    return {'batchItemFailures': failures}
";
    let node = "
const fs = require('fs');
const calls = {};
exports.handler = (event, context, callback) => {
  if (event.Records.length > 10 || context.getRemainingTimeInMillis() < 1000) throw new Error('not as the service does it');
  const failures = [];
  for (const { kinesis } of event.Records) {
    const data = JSON.parse(Buffer.from(kinesis.data, 'base64').toString());
    calls[data.id] = (calls[data.id] ?? 0) + 1;
    fs.appendFileSync('calls.txt', `${data.id} ${kinesis.sequenceNumber}\\n`);
    if (data.id === 13 || (data.id === 17 && calls[17] < 5)) failures.push({ itemIdentifier: kinesis.sequenceNumber });
  }
  event.Records.length = 0;
  callback(null, { batchItemFailures: failures });
};
";
    for (file, function) in [("handler.py", python), ("handler.cjs", node)] {
        let lab = sink_lab(file, "shape: lambda_kinesis, batch_size: 10", function, 30);
        lab.run(&["apply", "orders.yaml"]).code(0);
        let calls = fs::read_to_string(lab.path("calls.txt")).expect("calls");
        let count = |id: u32| calls.lines().filter(|line| line.starts_with(&format!("{id} "))).count();
        // 13 three times, each with what came after it in its batch; then 17 once more.
        assert_eq!((count(12), count(13), count(14), count(17), count(21)), (1, 3, 4, 5, 1), "{file}: {calls}");
        let letters = json_lines(lab.path("out/orders/dead-letters.jsonl"));
        assert_eq!(letters.len(), 1, "{file}");
        assert!(letters[0]["payload"].as_str().expect("the record").contains("\"id\":13"), "{}", letters[0]);
        assert!(letters[0]["message"].as_str().expect("why").contains("batchItemFailures 3 times"), "{}", letters[0]);
    }
}

#[test]
fn a_transformation_for_firehose_runs_as_it_is() {
    let python = "
import base64, json

def lambda_handler(event, context):
    output = []
    for record in event['records']:
        data = json.loads(base64.b64decode(record['data']))
        if data['id'] == 3:
            output.append({'recordId': record['recordId'], 'result': 'Dropped', 'data': record['data']})
            continue
        if data['id'] == 4:
            output.append({'recordId': record['recordId'], 'result': 'ProcessingFailed', 'data': record['data']})
            continue
        if data['id'] == 5:
            raise KeyError('five')
        payload = json.dumps({'twice': data['id'] * 2, 'more': 1}) + '\\n'
        output.append({'recordId': record['recordId'], 'result': 'Ok', 'data': base64.b64encode(payload.encode()).decode()})
    return {'records': output[::-1]}
";
    let node = "
exports.handler = async (event) => ({
  records: event.records.map(({ recordId, data }) => {
    const { id } = JSON.parse(Buffer.from(data, 'base64').toString());
    if (id === 3) return { recordId, result: 'Dropped', data };
    if (id === 4) return { recordId, result: 'ProcessingFailed', data };
    if (id === 5) throw new Error('five');
    return { recordId, result: 'Ok', data: Buffer.from(JSON.stringify({ twice: id * 2 }) + '\\n').toString('base64') };
  }),
});
";
    for (file, function) in [("transform.py", python), ("transform.cjs", node)] {
        let options = "shape: lambda_firehose, returns: { twice: int64! }";
        let lab = lab(options, "", 20);
        lab.write("orders.yaml", spec(options).replace("score.py", file));
        lab.write(file, function);
        lab.run(&["apply", "orders.yaml"]).code(0);
        let rows = rows(&lab);
        assert_eq!(ids(&rows), (1..=20).filter(|id| ![3, 4, 5].contains(id)).collect::<Vec<_>>(), "{file}");
        assert!(rows.iter().all(|row| row["twice"].as_i64() == row["id"].as_i64().map(|id| id * 2)), "{file}");
        let dead = dead(&lab);
        assert_eq!(dead.keys().collect::<Vec<_>>(), [&4, &5], "{file}");
        assert!(dead[&4].contains("ProcessingFailed") && dead[&5].contains("five"), "{file}: {dead:?}");
    }
}

/// Inputs whose columns are in another order are one input.
#[test]
fn columns_are_found_by_their_names() {
    let spec = r"
apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: both }
spec:
  sources:
    a: { file: { path: a.jsonl }, schema: { x: string, y: int64 } }
    b: { file: { path: b.jsonl }, schema: { y: int64, x: string } }
  processors:
    f: { from: [a, b], function: { file: f.py, key: [x], returns: { s: string! } } }
  sinks:
    out: { from: f, file: { path: out.jsonl } }
";
    let lab = Lab::new();
    lab.write("both.yaml", spec);
    lab.write("f.py", "def process(r, context): return {'s': r['x'] + str(r['y']) + context.key[0]}\n");
    for name in ["a.jsonl", "b.jsonl"] {
        lab.write(name, "{\"x\":\"X\",\"y\":7}\n");
    }
    lab.run(&["apply", "both.yaml"]).code(0);
    let rows = rows(&lab);
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row["s"] == "X7X"), "{rows:?}");
}

/// What a language cannot hold is the fault of that record alone.
#[test]
fn a_record_that_the_language_cannot_hold_stands_alone() {
    let spec = r"
apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: poison }
spec:
  sources:
    a: { file: { path: a.jsonl }, schema: { id: int64!, t: timestamp, j: json } }
  processors:
    f: { from: a, function: { file: FILE, SHAPE returns: { s: int64! }, keep: [id] } }
  sinks:
    out: { from: f, file: { path: out.jsonl } }
";
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let record = |id: u32| match id {
        30 => format!("{{\"id\":30,\"t\":\"2026-01-01T00:00:00Z\",\"j\":{deep}}}\n"),
        40 => "{\"id\":40,\"t\":\"0000-01-01T00:00:00Z\"}\n".to_owned(),
        id => format!("{{\"id\":{id},\"t\":\"0001-01-01T00:00:00Z\"}}\n"),
    };
    let records: String = (1..=100).map(record).collect();
    let python = "def process(r): return {'s': 1}\ndef process_batch(rs): return [{'s': 1} for r in rs]\n";
    let node = "export const process = () => ({ s: 1 });\nexport const process_batch = (rs) => rs.map(process);\n";
    for (file, function, bad) in [("f.py", python, vec![30, 40]), ("f.mjs", node, vec![30])] {
        for shape in ["", "shape: batch,"] {
            let lab = Lab::new();
            lab.write("poison.yaml", spec.replace("FILE", file).replace("SHAPE", shape));
            lab.write(file, function);
            lab.write("a.jsonl", &records);
            lab.run(&["apply", "poison.yaml"]).code(0);
            let letters = json_lines(lab.path("out/poison/dead-letters.jsonl"));
            assert_eq!(rows(&lab).len(), 100 - bad.len(), "{file} {shape}: {}", letters.len());
            assert_eq!(letters.len(), bad.len(), "{file} {shape}");
            for letter in &letters {
                let why = letter["message"].as_str().unwrap_or_default();
                assert!(letter["reason"] == "function" && !why.contains("the worker"), "{file} {shape}: {why}");
            }
        }
    }
}

/// The time before which no record is expected may be one that a language does not have.
#[test]
fn a_watermark_before_year_1_is_none() {
    let lab = lab("returns: { score: int64! }", "def process(record, context): return {'score': 1}\n", 3);
    lab.write(
        "orders.yaml",
        spec("returns: { score: int64! }").replace("{ field: at }", "{ field: at, lateness: 1h }"),
    );
    let old = |id: u32| format!("{{\"id\":{id},\"user\":\"ann\",\"price\":1,\"at\":\"0001-01-01T00:00:00Z\"}}\n");
    for number in 0..3 {
        lab.write(
            &format!("orders-{number}.jsonl"),
            (0..20_000).map(|id| old(20_000 * number + id)).collect::<String>(),
        );
    }
    lab.run(&["apply", "orders.yaml"]).code(0);
    assert_eq!(rows(&lab).len(), 60_003);
}

/// A state that a restart would change is a fault of the record that made it.
#[test]
fn state_is_what_it_would_be_after_a_restart() {
    let changes = [
        "context.state[record['id']] = 1",
        "context.state['pair'] = (1, 2)",
        "context.state['text'] = '\\ud800'",
        "context.state['when'] = record['at']",
        "context.state = []",
    ];
    for change in changes {
        let function = format!(
            "
def process(record, context=None):
    if record['id'] == 4:
        {change}
    else:
        context.state['n'] = context.state.get('n', 0) + 1
    return {{'n': 1}}
"
        );
        let lab = lab("key: [user], returns: { n: int64! }", &function, 10);
        lab.run(&["apply", "orders.yaml"]).code(0);
        let dead = dead(&lab);
        assert!(dead.contains_key(&4) && dead.len() == 1, "{change}: {dead:?}");
        assert_eq!(rows(&lab).len(), 9, "{change}");
    }
    let changes =
        ["context.state.set = new Set([1])", "context.state.x = NaN", "context.state.x = 1n", "context.state = [1]"];
    for change in changes {
        let function = format!(
            "export function process(record, context) {{\n  if (record.id === 4) {change};\n  return {{ n: 1 }};\n}}\n"
        );
        let lab = node_lab("key: [user], returns: { n: int64! }", &function, 10);
        lab.run(&["apply", "orders.yaml"]).code(0);
        assert_eq!(dead(&lab).into_keys().collect::<Vec<_>>(), [4], "{change}");
    }
}

/// A file that has the name of a module of Python is no trap, wherever it lies.
#[test]
fn other_files_are_not_what_the_worker_imports() {
    let lab = lab("returns: { score: int64! }", "import json\ndef process(record): return {'score': 1}\n", 3);
    lab.write("copy.py", "raise ImportError('the wrong one')\n");
    lab.write("struct.py", "raise ImportError('the wrong one')\n");
    lab.run(&["apply", "orders.yaml"]).code(0);
    assert_eq!(ids(&rows(&lab)), [1, 2, 3]);
}

/// Nothing of a function is left when the program is gone, whatever it was doing.
#[test]
fn no_process_is_left_behind() {
    let function = "
import os, subprocess
open('pids.txt', 'a').write(f'{os.getpid()}\\n')

def process(record):
    child = subprocess.Popen(['sleep', '300'])
    open('pids.txt', 'a').write(f'{child.pid}\\n')
    child.wait()
";
    for end in ["KILL", "INT"] {
        let lab = lab("returns: { score: int64! }, timeout: 5m", function, 3);
        let run = lab.start(&["apply", "orders.yaml", "--drain-timeout", "1s"], &[]);
        let pids = wait::until("two processes", Duration::from_mins(1), || {
            let text = fs::read_to_string(lab.path("pids.txt")).unwrap_or_default();
            (text.lines().count() == 2).then(|| text.lines().map(str::to_owned).collect::<Vec<_>>())
        });
        if end == "KILL" {
            run.kill();
        } else {
            run.signal(end);
            run.finish();
        }
        let alive = |pid: &String| {
            let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            !state.is_empty() && !state.contains(") Z ")
        };
        wait::until("their end", Duration::from_secs(30), || (!pids.iter().any(alive)).then_some(()));
    }
}

/// Every type, with its extremes and nulls, comes back as it went in.
#[test]
fn values_come_back_as_they_went() {
    let spec = r"
apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: types }
spec:
  sources:
    all:
      file: { path: all.jsonl }
      schema:
        b: bool
        i: int64
        f: float64
        d: decimal(38, 10)
        s: string
        y: bytes
        t: timestamp
        a: date
        j: json
        l: list<int64>
        r: struct<x:int64, y:decimal(5, 2), z:list<timestamp>>
  processors:
    same:
      from: all
      function:
        file: FILE
        returns:
          b: bool
          i: int64
          f: float64
          d: decimal(38, 10)
          s: string
          y: bytes
          t: timestamp
          a: date
          j: json
          l: list<int64>
          r: struct<x:int64, y:decimal(5, 2), z:list<timestamp>>
    plain: { sql: 'SELECT b, i, f, d, s, y, t, a, j, l, r FROM all' }
    sorted: { sql: 'SELECT b, i, f, d, s, y, t, a, j, l, r FROM same' }
  sinks:
    same_out: { from: sorted, file: { path: same.jsonl } }
    plain_out: { from: plain, file: { path: plain.jsonl } }
";
    let rows = r#"{"b":true,"i":9223372036854775807,"f":1e300,"d":"1234567890123456789012345678.0123456789","s":"ü\u0001#7\"","y":"AP8=","t":"2026-01-01T00:00:00.000001Z","a":"0001-01-01","j":{"n":9223372036854775807,"x":[1.5,null,"\u0001#1"]},"l":[1,null,-9223372036854775808],"r":{"x":9007199254740993,"y":1.20,"z":["9999-12-31T23:59:59.999999Z",null]}}
{}
{"b":false,"i":-9223372036854775808,"f":-0.0,"d":0,"s":"","y":"","t":"0001-01-01T00:00:00Z","a":"9999-12-31","j":null,"l":[],"r":{}}
{"i":0,"f":5e-324,"d":-0.0000000001,"s":"123456789012345678","t":"1969-12-31T23:59:59.999999Z","j":[123456789012345678]}
"#;
    for (file, function) in [
        (
            "same.py",
            "def process(record): return record
",
        ),
        (
            "same.mjs",
            "export const process = (record) => record;
",
        ),
    ] {
        let lab = Lab::new();
        lab.write("types.yaml", spec.replace("FILE", file));
        lab.write(file, function);
        lab.write("all.jsonl", rows);
        lab.run(&["apply", "types.yaml"]).code(0);
        let read = |name: &str| fs::read_to_string(lab.path(name)).expect("rows");
        assert_eq!(read("same.jsonl"), read("plain.jsonl"), "{file}");
        assert_eq!(read("plain.jsonl").lines().count(), 4);
    }
}

#[test]
fn a_dry_run_and_a_comparison_run_functions_too() {
    let function = "def process(record): return {'score': record['id'] + 1}\n";
    let lab = lab("returns: { score: int64! }", function, 50);
    let run = lab.run(&["dry-run", "orders.yaml"]).code(0);
    assert!(run.stdout.contains("\"score\":2"), "{}", run.stdout);
    lab.run(&["validate", "orders.yaml"]).code(0);
}

/// The program is ended in the middle again and again: what comes out is what an undisturbed run gives.
#[test]
fn kills_of_the_program_change_nothing_about_state() {
    let options = "key: [user], returns: { n: int64!, seen: string!, who: string! }";
    let slow = edit(
        COUNTING,
        &[("    state = context.state\n", "    import time; time.sleep(0.001)\n    state = context.state\n")],
    );
    let whole = lab(options, COUNTING, 3000);
    whole.run(&["apply", "orders.yaml"]).code(0);
    let disturbed = lab(options, &slow, 3000);
    let mut chance = Probability::new("kills_of_the_program_change_nothing_about_state");
    let mut kills = 0;
    for _ in 0..6 {
        let run = disturbed.start(&["apply", "orders.yaml"], &[]);
        wait::pass(chance.between(Duration::from_millis(300), Duration::from_millis(1200)));
        let (_, hit) = run.kill();
        kills += u32::from(hit);
    }
    disturbed.run(&["apply", "orders.yaml"]).code(0);
    let sorted = |lab: &Lab| {
        let mut rows: Vec<String> = rows(lab).iter().map(Value::to_string).collect();
        rows.sort();
        rows
    };
    assert!(kills > 0, "it was never ended in the middle");
    assert_eq!(sorted(&disturbed), sorted(&whole));
}
