"""Language models behind one interface of plain values; knows no database."""
