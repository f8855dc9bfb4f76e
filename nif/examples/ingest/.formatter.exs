[line_length: 110, inputs: ["{mix,.formatter,serve}.exs", "{lib,test}/**/*.{ex,exs}"]]
