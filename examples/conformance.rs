fn main() {
    for adapter in bmru_conformance::adapters::all() {
        println!("{}", bmru_conformance::adapters::name(&adapter.get_info()));
        let runner = bmru_conformance::Runner::new(&adapter).unwrap();
        let start = std::time::Instant::now();
        let (mut n, mut bad) = (0, 0);
        let only = std::env::args().nth(1).unwrap_or_default();
        for case in bmru_conformance::matrix(bmru_conformance::Scope::Full) {
            if !case.name.contains(&only) { continue }
            n += 1;
            match runner.run(&case) {
                Ok(o) if o.wrong_words == 0 => {}
                o => { bad += 1; if bad < 12 { println!("{} {:?}", case.name, o); } }
            }
        }
        println!("{n} cases {bad} bad {:?}", start.elapsed());
    }
}
