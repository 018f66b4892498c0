package traffic

// A Shape is how the load of a service moves around its mean. Its figures were measured on a public trace by Measure.
type Shape struct {
	Day        [24]float64 // load of each hour of the day, as the trace states it, over the mean; averages 1
	Week       [7]float64  // load of each day of the week over the mean, Monday first; averages 1
	DaySpread  float64     // standard deviation of the logarithm of a day over what Week expects
	HourSpread float64     // the same of an hour over what Day, Week and its day expect, bursts left out
	Burst      float64     // that ratio in the busiest hour of 200
}

// A Mix is the mean size of a request in tokens.
type Mix struct{ Input, Output float64 }

// The figures below were measured on the hourly series of public traces; TestFigures measures them again where the traces
// are at hand. Where a trace is too short to show a figure, that of another one is used, which the comment says.

// Customers is a chat service that people of many time zones use: Azure LLM inference trace 2024, conversation, requests an
// hour over six whole days (Azure/AzurePublicDataset, CC BY 4.0). The trace has no Saturday, which is taken to be like its
// Sunday, and too few days for DaySpread, which is that of Office.
var Customers = Shape{
	Day: [24]float64{
		0.889, 0.961, 0.957, 0.791, 0.792, 0.856, 0.987, 1.062, 1.089, 1.056, 0.970, 1.023,
		1.131, 1.274, 1.322, 1.246, 1.138, 1.090, 1.095, 1.029, 0.947, 0.799, 0.726, 0.769,
	},
	Week:      [7]float64{1.183, 1.229, 1.136, 1.144, 1.031, 0.638, 0.638},
	DaySpread: 0.074, HourSpread: 0.047, Burst: 1.366,
}

// Office is a service that people use at work: BurstGPT, conversations, requests an hour over 37 days (HPMLL/BurstGPT,
// CC BY 4.0).
var Office = Shape{
	Day: [24]float64{
		0.648, 0.379, 0.223, 0.099, 0.062, 0.051, 0.038, 0.054, 0.238, 1.178, 1.852, 1.795,
		0.767, 1.129, 1.760, 2.143, 2.254, 1.652, 1.034, 1.285, 1.438, 1.484, 1.333, 1.104,
	},
	Week:      [7]float64{1.154, 1.160, 1.199, 1.249, 1.047, 0.540, 0.652},
	DaySpread: 0.074, HourSpread: 0.309, Burst: 3.222,
}

// Platform is the sum of many clients of one model: ServeGen, all clients of m-mid, tokens an hour over 14 days
// (alibaba/ServeGen, Apache-2.0).
var Platform = Shape{
	Day: [24]float64{
		1.175, 1.162, 0.970, 0.860, 0.763, 0.779, 0.833, 0.856, 0.878, 0.943, 1.230, 1.306,
		1.002, 1.116, 1.024, 0.846, 0.822, 0.888, 0.961, 0.940, 1.175, 1.112, 1.133, 1.224,
	},
	Week:      [7]float64{1.010, 0.859, 0.758, 1.059, 1.021, 1.263, 1.030},
	DaySpread: 0.211, HourSpread: 0.290, Burst: 1.896,
}

// Retrieval is the mean request of a service that answers from documents: RAGPulse, one week (flashserve/RAGPulse, MIT).
var Retrieval = Mix{Input: 2944, Output: 283}

// Short is the mean request of many clients of one model: ServeGen, all clients of m-mid (Apache-2.0).
var Short = Mix{Input: 307, Output: 51}

// Chat is the mean request of one client that writes long answers: ServeGen, client 5 of m-mid (Apache-2.0).
var Chat = Mix{Input: 381, Output: 165}

// Growth is how much more the median client used in its second week than in its first: ServeGen, the 86 single clients
// that used anything in their first week (Apache-2.0). 0.1 is 10 % a week.
const Growth = 0.106
