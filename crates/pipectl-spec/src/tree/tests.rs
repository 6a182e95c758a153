use super::*;
#[test]
fn show() {
    for text in [
        "a: |\n  x\n  y\n\nb: 1\n",
        "a: >-\n  x\n   y\n",
        "a: \"x\\ty\"\nb: {c: [1, 2]}\nd:\n  - 1\n  - e: f\n\nz:\n",
        "a: \"unclosed\nb: 2",
        "a: [1, 2\nb: 3\n",
        "a: [1}\n",
        "a:\n\tb: 1\n",
        "a: b: c\n",
        "a: 1\n b: 2\n",
        "a: 1\nb\nc: 2\n",
        "a: \"\\d\"\n",
        "a: @x\n",
        "%YAML 1.2\n---\na: 1\n",
        "\u{feff}a: 1\n",
        "a: 'x\n",
        "a: {b: 1, c\n",
        "a: `x`\n",
        "a: %x",
        "a:\n  - 1\n  b: 2\n",
        "a: ]\n",
        "a: {x: \"y\" z: 1}\n",
        "key: &a x\n*b : 1\n",
        "a: 1\n  \tb: 2\n",
        "a: !foo x\n",
        "  a: 1\nb: 2\n",
        "- a\nb: 1\n",
        "a: ? b\n",
        "a: *\n",
        "a: &\n",
    ] {
        let mut map = SourceMap::default();
        let mut d = Diagnostics::new();
        let f = parse("t", text.as_bytes(), &mut map, &mut d);
        println!("--- {text:?}");
        fn dump(n: &Node, text: &str, d: usize) {
            println!("{:d$}{} {:?} {:?}", "", n.kind.noun(), text.get(n.span.clone()), n.inside, d = d);
            match &n.kind {
                Kind::Seq(i) => {
                    for n in i {
                        dump(n, text, d + 1)
                    }
                }
                Kind::Map(e) => {
                    for e in e {
                        println!("{:d$}{}:{:?}", "", e.key, text.get(e.key_span.clone()), d = d);
                        dump(&e.value, text, d + 1)
                    }
                }
                _ => {}
            }
        }
        for n in &f.documents {
            dump(n, text, 0);
        }
        for p in &d {
            let Place::Span(s) = p.labels[0].place else { panic!() };
            println!(
                "  {} {} {:?} @{:?} {:?}",
                p.code,
                p.title,
                p.help,
                map.file(s.file).line_column(s.start),
                text.get(s.start..s.end)
            );
        }
    }
}
use pipectl_diag::Place;
