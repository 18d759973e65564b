"""Closed word lists of the language; a value joins two or three of them, so that it cannot be guessed."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.replace("\n", " ").split(",") if word.strip())


LISTS: dict[str, tuple[str, ...]] = {
    "colour": _words("crimson, amber, silver, violet, teal, ochre, ivory, scarlet, indigo, emerald, grey, black, white, golden, russet, azure"),
    "material": _words("copper, granite, oak, basalt, steel, marble, clay, glass, slate, bronze, cedar, limestone, iron, brass, birch, sandstone"),
    "animal": _words("otter, stag, fox, lynx, hare, bear, badger, wolf, mole, boar, marten, goat"),
    "bird": _words("heron, falcon, swan, owl, crane, raven, finch, kite, lark, stork, gull, wren"),
    "insect": _words("moth, beetle, bee, hornet, cricket, ant"),
    "fish": _words("trout, eels, pike, carp, salmon, perch, bream, roach"),
    "goods": _words("pumps, blankets, lenses, tiles, bicycles, clocks, bottles, radios, batteries, nets, cables, kettles, lamps, stoves, buttons, pipes"),
    "object": _words("bell, crown, compass, ring, cup, mask, drum, key, globe, harp, sundial, chest"),
    "craft": _words("botanist, engineer, painter, surveyor, chemist, cartographer, physician, composer, geologist, baker, weaver, astronomer, poet, carpenter, judge, sailor, "
                    "potter, printer, teacher, farmer, tailor, glazier, mason, pilot"),
    "subject": _words("tides, moths, volcanoes, comets, mosses, glaciers, bees, earthquakes, ferns, sea birds, salt marshes, lightning, crystals, mushrooms, rivers, clouds"),
    "food": _words("bread, cheese, pies, eels, cakes, soup, pickles, stew, sausages, pears, biscuits, dumplings"),
    "flavour": _words("sweet, smoked, salted, spiced, bitter, sour, dried, warm, cold, honeyed, peppered, burnt"),
    "drink": _words("wine, cider, tea, beer, milk, coffee, lemonade, plum juice, mead, cocoa"),
    "ingredient": _words("oats, honey, plums, barley, leeks, carrots, mushrooms, butter, walnuts, cream, rye, apples, beets, thyme, onions, chestnuts, lentils, garlic"),
    "prey": _words("mice, snails, berries, roots, seeds, worms, frogs, leaves, spiders, nuts, grass, shellfish, bark, flies, eggs, reeds"),
    "habitat": _words("marshes, forests, caves, meadows, cliffs, dunes, orchards, ponds, hills, hedges, islands, valleys"),
    "adjective": _words("northern, southern, quiet, dry, wet, high, old, stony, sandy, shaded, open, narrow"),
    "pattern": _words("stripes, spots, rings, bands, patches, crescents, dots, bars"),
    "cloth": _words("leather, linen, silk, canvas, velvet, wool, paper, felt"),
    "vessel": _words("bowl, pot, pan, dish, kettle, jar, tray, basket"),
    "fuel": _words("coal, oil, peat, gas, charcoal, spirit, wood, turf"),
    "part_of_machine": _words("valve, spring, belt, gear, piston, chain, axle, handle, bearing, lever"),
    "sport": _words("football, handball, hockey, rowing, water polo, cricket, tennis, curling, rugby, chess, archery, croquet, fencing, badminton, volleyball, bowls, "
                    "cycling, swimming, lacrosse, skittles, wrestling, sailing"),
    "language": _words("Rust, Go, Python, Java, Erlang, Haskell, Kotlin, OCaml, Ruby, Scala, Elixir, Swift, Zig, Perl, Lua, Julia, Clojure, Ada, Nim, Dart, Fortran, Prolog"),
    "store": _words("Postgres, SQLite, Redis, Kafka, Cassandra, MySQL, RocksDB, MongoDB, Etcd, DuckDB, Neo4j, MariaDB, Consul, CouchDB, InfluxDB, Riak, Scylla, HBase, "
                    "ClickHouse, LevelDB, Firebird, Druid"),
    "part": _words("gateway, indexer, billing, auth, relay, cache, scheduler, ingest"),
    "act": _words("drying, washing, sorting, counting, mending, painting, measuring, cutting, cleaning, pressing, lifting, cooling"),
    "ware": _words("wool, apples, bricks, letters, barrels, coins, fish, timber, grain, maps, bones, stones, ropes, paper, bells, seeds"),
    "month": _words("January, February, March, April, May, June, July, August, September, October, November, December"),
}
