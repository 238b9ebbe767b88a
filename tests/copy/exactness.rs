//! What is scanned is what is there, value by value, compared with what the server says in text.

use polars::prelude::{AnyValue, DataFrame, DataType, TimeUnit, TimeZone};
use serde_json::Value;
use sonograph::sources::postgres::copy::Pick;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use crate::scratch::Scratch;
use crate::{column, scan, texts, whole};

/// A column: name, declaration, how any row's value is made of `h(i)` (64 random bits), how the server tells it
/// exactly (`$` is the column), and what it becomes.
struct Sort {
    name: &'static str,
    declared: &'static str,
    made: &'static str,
    told: &'static str,
    becomes: DataType,
}

const DAY: &str = "($ - date '1970-01-01')::text";
const MICROS: &str = "(extract(epoch FROM $) * 1000000)::numeric(30, 0)::text";

fn sorts() -> Vec<Sort> {
    use DataType as D;
    let list = |inner| D::List(Box::new(inner));
    let sort = |name, declared, made, told, becomes| Sort { name, declared, made, told, becomes };
    vec![
        sort("flag", "bool", "h(1) > 0", "$::text", D::Boolean),
        sort("small", "int2", "(h(2) % 32768)::int2", "$::text", D::Int64),
        sort("middle", "int4", "(h(3) % 2147483648)::int4", "$::text", D::Int64),
        sort("big", "int8", "h(4)", "$::text", D::Int64),
        sort(
            "real",
            "float4",
            "CASE h(5) % 9 WHEN 0 THEN 'NaN' WHEN 1 THEN '-Infinity' ELSE (h(5) / 1e12)::float4 END",
            "$::float8::text",
            D::Float64,
        ),
        sort(
            "double",
            "float8",
            "CASE h(6) % 9 WHEN 0 THEN 'Infinity' WHEN 1 THEN '-0' ELSE h(6) / 3e7 END",
            "$::text",
            D::Float64,
        ),
        sort(
            "exact",
            "numeric",
            "CASE h(7) % 9 WHEN 0 THEN 'NaN' ELSE h(7)::numeric / 10::numeric ^ (abs(h(7)) % 40)::int END",
            "$::text",
            D::String,
        ),
        sort("money", "numeric(12, 2)", "(h(8) % 1000000000) / 100.0", "$::text", D::String),
        sort(
            "note",
            "text",
            "CASE h(9) % 6 WHEN 0 THEN '' WHEN 1 THEN repeat(md5(k::text), 300) ELSE E'\\u00fc\\n\\t\\U0001F3B5' || md5(h(9)::text) END",
            "$",
            D::String,
        ),
        sort("short", "varchar(20)", "left(md5(h(10)::text), (abs(h(10)) % 20)::int)", "$::text", D::String),
        sort(
            "padded",
            "char(10)",
            "left(md5(h(11)::text), (abs(h(11)) % 10)::int)",
            "convert_from(bpcharsend($), 'UTF8')",
            D::String,
        ),
        sort("called", "name", "left(md5(h(12)::text), 20)::name", "$::text", D::String),
        sort("letter", "\"char\"", "chr(65 + (abs(h(13)) % 26)::int)::\"char\"", "$::text", D::String),
        sort("id", "uuid", "md5(h(14)::text)::uuid", "$::text", D::String),
        sort(
            "day",
            "date",
            "CASE h(15) % 9 WHEN 0 THEN date '0044-03-15 BC' ELSE date '2020-01-01' + (h(15) % 500000)::int END",
            DAY,
            D::Date,
        ),
        sort(
            "hour",
            "time",
            "time '00:00' + make_interval(secs => abs(h(16)) % 86400) + interval '7 us'",
            "$::text",
            D::String,
        ),
        sort(
            "clock",
            "timestamp",
            "timestamp '1970-01-01' + (h(17) % 100000000000000) * interval '1 us'",
            MICROS,
            D::Datetime(TimeUnit::Microseconds, None),
        ),
        sort(
            "at",
            "timestamptz",
            "timestamptz '2000-01-01Z' + (h(18) % 100000000000000000) * interval '1 us'",
            MICROS,
            D::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)),
        ),
        sort(
            "span",
            "interval",
            "make_interval(months => (h(19) % 100)::int, days => (h(19) % 40)::int, secs => (h(19) % 100000) / 7.0)",
            "$::text",
            D::String,
        ),
        sort("bytes", "bytea", "decode(md5(h(20)::text), 'hex')", "$::text", D::Binary),
        sort(
            "loose",
            "json",
            "json_build_object('a', h(21), 'b', json_build_array(NULL, 'x'))",
            "$::text",
            D::String,
        ),
        sort(
            "props",
            "jsonb",
            "jsonb_build_object('src', md5(h(22)::text), 'n', h(22), 'deep', jsonb_build_object('x', NULL))",
            "$::text",
            D::String,
        ),
        sort(
            "tags",
            "text[]",
            "CASE h(23) % 5 WHEN 0 THEN '{}' ELSE ARRAY[md5(h(23)::text), NULL, '', 'a \"b\", {c}'] END",
            "array_to_json($)::text",
            list(D::String),
        ),
        sort(
            "counts",
            "int4[]",
            "ARRAY[(h(24) % 1000)::int4, NULL, -1]",
            "array_to_json($)::text",
            list(D::Int64),
        ),
        sort("bigs", "int8[]", "ARRAY[h(25), 9223372036854775807]", "array_to_json($)::text", list(D::Int64)),
        sort(
            "ids",
            "uuid[]",
            "ARRAY[md5(h(26)::text)::uuid, NULL]",
            "array_to_json($)::text",
            list(D::String),
        ),
        sort(
            "switches",
            "bool[]",
            "ARRAY[h(27) > 0, NULL, true]",
            "array_to_json($)::text",
            list(D::Boolean),
        ),
        sort(
            "shares",
            "float8[]",
            "ARRAY[h(28) / 7.0::float8, NULL]",
            "array_to_json($::text[])::text",
            list(D::Float64),
        ),
        sort("mood", "mood", "CASE WHEN h(29) > 0 THEN 'happy' ELSE 'so so' END::mood", "$::text", D::String),
        sort("moods", "mood[]", "ARRAY['happy', NULL]::mood[]", "array_to_json($)::text", list(D::String)),
        sort(
            "prices",
            "numeric[]",
            "ARRAY[h(31) / 100.0, NULL]",
            "array_to_json($::text[])::text",
            list(D::String),
        ),
        sort("share", "percent", "(abs(h(32)) % 101)::int", "$::text", D::Int64),
        sort("address", "inet", "'10.0.0.0'::inet + (abs(h(33)) % 65536)", "$::text", D::String),
        sort("during", "int4range", "int4range((h(34) % 100)::int, 200)", "$::text", D::String),
        sort("number", "oid", "(abs(h(35)) % 4294967296)::oid", "$::text", D::String),
        sort("doubled", "int8 GENERATED ALWAYS AS (small * 2) STORED", "", "$::text", D::Int64),
    ]
}

/// The rows as the server tells them, in the order they lie in.
async fn told(scratch: &Scratch, sorts: &[Sort]) -> Vec<Vec<Option<String>>> {
    let mut connection = PgConnection::connect(&scratch.url()).await.expect("the server answers");
    let style = sqlx::raw_sql("SET IntervalStyle = 'iso_8601'; SET TimeZone = 'UTC'");
    style.execute(&mut connection).await.expect("it is set");
    let told: Vec<_> =
        sorts.iter().map(|sort| sort.told.replace('$', &format!("\"{}\"", sort.name))).collect();
    let sql = format!("SELECT {} FROM things ORDER BY ctid", told.join(", "));
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut connection).await.expect("the rows are told");
    rows.iter().map(|row| (0..sorts.len()).map(|i| row.get::<Option<String>, _>(i)).collect()).collect()
}

/// Whether an element is the one that JSON tells.
fn in_list(item: &AnyValue<'_>, told: &Value) -> bool {
    match (item, told) {
        (AnyValue::Null, told) => told.is_null(),
        (AnyValue::Boolean(b), told) => told.as_bool() == Some(*b),
        (AnyValue::Int64(n), told) => told.as_i64() == Some(*n),
        (item, Value::String(told)) => is(item, Some(told)),
        _ => false,
    }
}

/// Whether a value is the one that is told.
fn is(value: &AnyValue<'_>, told: Option<&str>) -> bool {
    let Some(told) = told else { return value.is_null() };
    match value {
        AnyValue::Boolean(b) => told == if *b { "true" } else { "false" },
        AnyValue::Int64(n) => told == n.to_string(),
        AnyValue::Date(days) => told == days.to_string(),
        AnyValue::Datetime(micros, ..) => told == micros.to_string(),
        AnyValue::Float64(x) => {
            let told: f64 = told.parse().expect("a number");
            told.to_bits() == x.to_bits() || told.is_nan() && x.is_nan()
        }
        AnyValue::String(text) => told == *text,
        AnyValue::Binary(bytes) => {
            told == bytes.iter().fold("\\x".to_owned(), |hex, byte| format!("{hex}{byte:02x}"))
        }
        AnyValue::List(items) => {
            let told: Vec<Value> = serde_json::from_str(told).expect("it is JSON");
            told.len() == items.len() && items.iter().zip(&told).all(|(item, told)| in_list(&item, told))
        }
        _ => false,
    }
}

fn compare(frame: &DataFrame, told: &[Vec<Option<String>>], sorts: &[Sort]) {
    assert_eq!(frame.height(), told.len());
    for (at, sort) in sorts.iter().enumerate() {
        let column = frame.column(sort.name).expect("the column is there");
        assert_eq!(column.dtype(), &sort.becomes, "{}", sort.name);
        for (row, told) in told.iter().enumerate() {
            let (value, told) = (column.get(row).expect("the row is there"), told[at].as_deref());
            assert!(is(&value, told), "row {row}, {}: {value:?} is not {told:?}", sort.name);
        }
    }
}

/// A table with a column of every sort and `rows` rows made of `seed`, a tenth of all values missing.
async fn things(seed: u32, rows: u32) -> Scratch {
    let scratch = Scratch::new().await;
    let sorts = sorts();
    let declared: Vec<_> = sorts.iter().map(|s| format!("\"{}\" {}", s.name, s.declared)).collect();
    let given: Vec<&Sort> = sorts.iter().filter(|sort| !sort.made.is_empty()).collect();
    let names: Vec<_> = given.iter().map(|sort| format!("\"{}\"", sort.name)).collect();
    let made: Vec<_> = given
        .iter()
        .enumerate()
        .map(|(i, s)| {
            // `h(7)` is the seventh number of row `k`.
            let made = s.made.replace("h(", "h(k, ");
            format!("CASE WHEN h(k, {}) % 10 = 0 THEN NULL ELSE {made} END", 100 + i)
        })
        .collect();
    let insert = |from: u32, to: u32| {
        let (names, made) = (names.join(", "), made.join(", "));
        format!("INSERT INTO things (k, {names}) SELECT k, {made} FROM generate_series({from}, {to}) AS k;")
    };
    let fill = insert(1, rows);
    let more = insert(rows + 1, rows + rows / 4);
    scratch
        .run(&format!(
            "CREATE TYPE mood AS ENUM ('happy', 'so so');
             CREATE DOMAIN part AS int CHECK (VALUE >= 0);
             CREATE DOMAIN percent AS part CHECK (VALUE <= 100);
             CREATE FUNCTION h(k int, i int) RETURNS bigint LANGUAGE sql IMMUTABLE AS
               $$ SELECT ('x' || substr(md5('{seed}/' || k || '/' || i), 1, 16))::bit(64)::bigint $$;
             CREATE TABLE things (k int, gone text, {}) WITH (autovacuum_enabled = off);
             ALTER TABLE things DROP gone;
             {fill}",
            declared.join(", ")
        ))
        .await;
    scratch.run("DELETE FROM things WHERE h(k, 900) % 3 = 0").await;
    scratch.run("UPDATE things SET small = 7, note = 'changed' WHERE h(k, 901) % 4 = 0").await;
    scratch.run("VACUUM things").await;
    scratch.run(&more).await;
    scratch.run("DELETE FROM things WHERE h(k, 902) % 5 = 0; UPDATE things SET flag = NOT flag WHERE h(k, 903) % 6 = 0").await;
    scratch
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_of_every_type_is_read_exactly_by_however_many_connections() {
    for seed in 1..=3 {
        let scratch = things(seed, 400).await;
        let (sorts, serial) = (sorts(), whole(&scratch, "things").await);
        compare(&serial, &told(&scratch, &sorts).await, &sorts);
        for connections in [2, 3] {
            let parallel = scan(&scratch, "things", &[], connections).await.expect("it is read");
            assert_eq!(parallel.report.connections, connections as u64);
            assert_eq!(parallel.report.rows as usize, serial.height());
            assert!(parallel.frame.equals_missing(&serial), "{connections} connections, seed {seed}");
        }
    }
}

#[tokio::test]
async fn columns_are_chosen_taken_as_text_or_number_and_taken_out_of_json() {
    let scratch = Scratch::new().await;
    scratch
        .run(
            r#"CREATE TABLE "odd ""table" ("a""b" int, "Props" jsonb, price numeric, at timestamptz, doc json);
               INSERT INTO "odd ""table" VALUES (1, '{"src": "mail", "utm": {"it''s": [5, {"x": true}]}}', 0.1, '2026-11-23T00:00:00Z', '{"a": 1}'),
                 (2, '{"src": null}', 'NaN', NULL, 'null'), (3, NULL, NULL, NULL, NULL);"#,
        )
        .await;
    let json = |column: &str, path: &[&str], name: &str| Pick::Json {
        column: column.to_owned(),
        path: path.iter().map(|&key| key.to_owned()).collect(),
        name: name.to_owned(),
    };
    let picks = [
        json("Props", &["src"], "source"),
        column("a\"b"),
        json("Props", &["utm", "it's", "1", "x"], "deep"),
        Pick::Number("price".to_owned()),
        Pick::Text("at".to_owned()),
        json("doc", &["a"], "of_doc"),
    ];
    let frame = scan(&scratch, "odd \"table", &picks, 2).await.expect("it is read").frame;
    let names: Vec<&str> = frame.columns().iter().map(|column| column.name().as_str()).collect();
    assert_eq!(names, ["source", "a\"b", "deep", "price", "at", "of_doc"]);
    assert_eq!(texts(&frame, "source"), [Some("mail".to_owned()), None, None]);
    assert_eq!(texts(&frame, "deep"), [Some("true".to_owned()), None, None]);
    assert_eq!(texts(&frame, "of_doc"), [Some("1".to_owned()), None, None]);
    assert_eq!(texts(&frame, "at")[0].as_deref(), Some("2026-11-23 00:00:00+00"));
    let price = frame.column("price").expect("a column").f64().expect("numbers");
    assert_eq!(price.get(0), Some(0.1));
    assert!(price.get(1).is_some_and(f64::is_nan) && price.get(2).is_none());
}

#[tokio::test]
async fn tables_without_rows_or_without_columns_are_read() {
    let scratch = Scratch::new().await;
    scratch
        .run("CREATE TABLE empty (a int, b text[]); CREATE TABLE bare (); INSERT INTO bare DEFAULT VALUES")
        .await;
    let empty = whole(&scratch, "empty").await;
    assert_eq!(empty.shape(), (0, 2));
    assert_eq!(empty.column("b").expect("a column").dtype(), &DataType::List(Box::new(DataType::String)));
    assert_eq!(whole(&scratch, "bare").await.shape(), (1, 0));
}
