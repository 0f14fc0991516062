"""Tables of other people: files of many formats, data frames and dicts, as rows of cells; and the cells of exports."""
