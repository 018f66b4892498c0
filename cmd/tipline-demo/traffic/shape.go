// Package traffic makes hourly LLM traffic whose shape was measured on public traces.
package traffic

// Shape is how the load of a kind of workload moves over the day and from day to day.
type Shape struct {
	Source    string      // where the figures were measured
	HourOfDay [24]float64 // load of each hour, UTC, over the mean hour
	Weekend   float64     // load of a weekend day over that of a working day
	DaySpread float64     // standard deviation of the logarithm of a day's total around its expectation
}

// The figures were measured on the hourly series of public traces, hours as the trace states them: HourOfDay is the mean load of
// each hour over the mean of all hours; DaySpread is the standard deviation of the day-to-day change of the logarithm of
// daily totals, divided by √2. TestFigures measures them again where the traces are at hand.
var (
	// Customers is a chat service used around the clock.
	Customers = Shape{
		Source: "Azure LLM inference trace 2024, conversation (CC BY 4.0), six whole days",
		HourOfDay: [24]float64{
			0.89, 0.96, 0.96, 0.79, 0.79, 0.86, 0.99, 1.06, 1.09, 1.06, 0.97, 1.02,
			1.13, 1.27, 1.32, 1.25, 1.14, 1.09, 1.09, 1.03, 0.95, 0.80, 0.73, 0.77,
		},
		Weekend:   0.55, // Sunday 0.60 of the mean day, Monday to Friday 1.08
		DaySpread: 0.19,
	}
	// Office is a service used by people at work.
	Office = Shape{
		Source: "BurstGPT, conversations (CC BY 4.0), 37 days",
		HourOfDay: [24]float64{
			0.65, 0.38, 0.22, 0.10, 0.06, 0.05, 0.04, 0.05, 0.24, 1.18, 1.85, 1.80,
			0.77, 1.13, 1.76, 2.14, 2.25, 1.65, 1.03, 1.28, 1.44, 1.48, 1.33, 1.10,
		},
		Weekend:   0.51, // Saturday and Sunday 0.585 of the mean day, Monday to Friday 1.146
		DaySpread: 0.25,
	}
	// Platform is the sum of many clients of one model.
	Platform = Shape{
		Source: "ServeGen, sum over one model (Apache-2.0), 14 days",
		HourOfDay: [24]float64{
			1.17, 1.16, 0.97, 0.86, 0.76, 0.78, 0.83, 0.86, 0.88, 0.94, 1.23, 1.31,
			1.00, 1.12, 1.02, 0.85, 0.82, 0.89, 0.96, 0.94, 1.17, 1.11, 1.13, 1.22,
		},
		Weekend:   1.20, // Saturday and Sunday 1.13 of the mean day, Monday to Friday 0.94
		DaySpread: 0.22,
	}
)
