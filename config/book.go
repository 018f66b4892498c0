package config

import "tipline/model"

// Book is a price book: dated numbers, each with its source. The zero Book is empty.
type Book struct {
	rows map[string][]Row // by item, in the order of the file
}

// Row is one number of a Book.
type Row struct {
	model.PriceSource
	Note string // what a reader should know; may be empty
}
