struct s { bit<8> a bit<8> b; }
control c() { apply { x = ; y + 1; { a } = 3; for (i in 1 .. 2) { } } action late() { } }
enum E { A; B }
const = 3;
parser p() { state start { return; } bit<8> late; }
