package metering

import "tipline/model"

// readers returns all as those see them who read one at a time.
func readers(all []model.Usage) []func() model.Usage {
	read := make([]func() model.Usage, len(all))
	for i, u := range all {
		read[i] = func() model.Usage { return u }
	}
	return read
}
